// Shows what a running execution writes, as it comes. Without this script the page shows it up to when it was loaded.
"use strict";

(() => {
  const KEPT = 1 << 20; // characters in the view; the raw output has everything
  const POLL = 2000; // milliseconds, where no stream is to be had
  const SEQUENCE = /\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=[\x1b\n]))|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]/g;
  const UNFINISHED = /\x1b(?:[\]PX^_][^\x07\x1b\n]{0,4096}\x1b?|\[[0-?]{0,64}[ -/]{0,8}|[ -/]{0,8})$/;
  const UNSAFE = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

  const view = document.getElementById("output");
  if (!view) return;
  const status = document.getElementById("live");
  const latest = document.getElementById("latest");
  const decoder = new TextDecoder();
  const tail = document.createTextNode("");
  let following = true, unseen = 0;
  let line = "", held = "", kept = 0, begun = false;
  let after = view.dataset.after, source = null, timer = 0, turn = 0, ended = false;

  const say = (words) => { if (status.textContent !== words) status.textContent = words; };
  const toEnd = () => { view.scrollTop = view.scrollHeight; };

  function follow(on) {
    following = on;
    if (on) unseen = 0;
    latest.hidden = on;
    if (!on) latest.textContent = unseen ? `Jump to latest ↓ ${unseen} new line${unseen === 1 ? "" : "s"}` : "Jump to latest ↓";
  }

  // What a carriage return wrote over is gone, but one at the end of what is known may belong to a line feed.
  function atLast(text) {
    let end = text.length;
    while (end && text[end - 1] === "\r") end -= 1;
    const start = end ? text.lastIndexOf("\r", end - 1) + 1 : 0;
    return [text.slice(start, end), text.slice(start)];
  }

  function write(bytes) {
    if (!bytes.length) return;
    if (!begun) {
      begun = true;
      view.replaceChildren(tail); // the stream begins where the text that came with the page did
      document.getElementById("nothing")?.remove();
      view.hidden = false;
    }
    let text = held + decoder.decode(bytes, { stream: true });
    held = UNFINISHED.exec(text)?.[0] ?? "";
    text = text.slice(0, text.length - held.length).replace(SEQUENCE, "").replace(UNSAFE, "\ufffd");
    const lines = (line + text).split("\n");
    line = lines.pop();
    const finished = lines.map((one) => atLast(one)[0] + "\n").join("");
    if (finished) {
      tail.before(document.createTextNode(finished));
      kept += finished.length;
    }
    while (kept > KEPT && view.firstChild.nextSibling !== tail) {
      kept -= view.firstChild.length;
      view.firstChild.remove();
    }
    [tail.data, line] = atLast(line.length > KEPT ? line.slice(-KEPT / 2) : line);
    if (following) toEnd();
    else {
      unseen += lines.length;
      follow(false);
    }
  }

  function close() {
    turn += 1;
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function open() {
    close();
    source = new EventSource(`${view.dataset.stream}?after=${after}`);
    source.onopen = () => say("● Live");
    source.onmessage = (event) => {
      after = event.lastEventId;
      write(Uint8Array.from(atob(event.data), (sign) => sign.charCodeAt(0)));
    };
    source.addEventListener("end", finish);
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED) return say("○ Disconnected, retrying");
      close();
      poll(turn);
    };
  }

  async function poll(mine) {
    let wait = POLL;
    try {
      const answer = await fetch(`${view.dataset.piece}?after=${after}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (mine !== turn) return;
      after = answer.headers.get("X-Output-Next");
      write(bytes);
      say("◌ Live, every 2 seconds");
      if (bytes.length) wait = 0;
      else if (!["queued", "running"].includes(answer.headers.get("X-Output-State"))) return void finish();
    } catch {
      if (mine !== turn) return;
      say("○ Disconnected, retrying");
    }
    timer = setTimeout(poll, wait, mine);
  }

  // The facts of the end come with the page; only they are taken from it, so that nobody loses their place.
  async function finish() {
    close();
    ended = true;
    const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
    const summary = page.getElementById("summary");
    if (summary) document.getElementById("summary").replaceWith(summary);
    document.title = page.title;
    say(`Ended: ${summary?.querySelector(".state")?.lastChild.textContent.trim() ?? ""}`);
  }

  view.addEventListener("scroll", () => {
    const below = view.scrollHeight - view.scrollTop - view.clientHeight;
    if (following !== below < 24) follow(below < 24);
  });
  latest.addEventListener("click", () => {
    toEnd();
    view.focus();
  });
  toEnd();
  if (!view.dataset.stream) return;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close(); // a browser gives all its tabs six connections
    else if (!ended) open();
  });
  open();
})();
