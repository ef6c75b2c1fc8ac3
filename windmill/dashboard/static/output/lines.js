// The output as lines of text, as the server renders it; here it grows, and can be narrowed to one stream.
const KEPT = 20_000; // lines
const KEPT_ALL = 50_000; // likewise, where somebody asked for all
const LINE = 10_000; // characters of one line
const GROUP = 500; // lines that are laid out, or not, together
const SLICE = 1000; // lines that are made at once
const SEQUENCE = /\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=[\x1b\n])|$)|\x1b\[[0-?]*[ -/]*(?:[@-~]|$)|\x1b[ -/]*[0-~]?/g;
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// What a carriage return wrote over is gone.
export function atLast(raw) {
  const text = raw.replace(SEQUENCE, "").replace(/\r+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1).replace(UNSAFE, "\ufffd");
}

export class LinesView {
  constructor(host, words, clock) {
    this.host = host;
    this.words = words;
    this.clock = clock;
    this.kept = KEPT;
    this.list = host.querySelector(".lines");
    this.following = true;
    this.options = { stream: "", times: false, wrap: true };
  }

  #decoders = {};
  #begun = null; // the last line: {raw, at, node}
  #number = 1;
  #count = 0;
  #group = null;
  #waiting = []; // lines still to be made: [at, raw]
  #timer = 0;

  // Begins anew with a line of that number; of a part that begins anywhere, the rest of its first line is left out.
  begin(first, partial) {
    clearTimeout(this.#timer);
    this.#decoders = {};
    this.#begun = null;
    this.#number = first;
    this.#count = 0;
    this.#group = null;
    this.#waiting = [];
    this.partial = partial;
    this.fresh = true; // what came with the page stays until something takes its place
  }

  write({ at, stream, bytes }) {
    if (this.options.stream && stream !== this.options.stream) return;
    this.#decoders[stream] ??= new TextDecoder();
    const [head, ...rest] = this.#decoders[stream].decode(bytes, { stream: true }).split("\n");
    this.#begun ??= { raw: "", at, node: null };
    this.#begun.raw = short(this.#begun.raw + head);
    for (const raw of rest) {
      if (this.partial) this.#number += 1;
      else this.#waiting.push(this.#begun);
      this.partial = false;
      this.#begun = { raw, at, node: null };
    }
    if (!this.#timer) this.#make();
  }

  #make() {
    this.#timer = 0;
    if (this.fresh) {
      this.list.replaceChildren();
      this.fresh = false;
    }
    if (this.#waiting.length > this.kept) this.#number += this.#waiting.splice(0, this.#waiting.length - this.kept).length;
    for (const line of this.#waiting.splice(0, SLICE)) this.#put(line);
    if (this.#waiting.length) this.#timer = setTimeout(() => this.#make());
    else if (this.#begun?.raw) this.#put(this.#begun, true);
    while (this.#count > this.kept && this.list.childElementCount > 1) {
      this.#count -= this.list.firstElementChild.childElementCount;
      this.list.firstElementChild.remove();
    }
    if (this.following) this.host.scrollTop = this.host.scrollHeight;
  }

  #put(line, unfinished = false) {
    line.node ??= this.#line(line.at);
    const text = atLast(line.raw);
    const span = line.node.lastElementChild;
    span.textContent = text.slice(0, LINE) + (text.length > LINE ? this.words.more.replace("{}", text.length - LINE) : "") + "\n";
    if (unfinished) return;
    line.raw = "";
  }

  #line(at) {
    if (!this.#group || this.#group.childElementCount >= GROUP) {
      this.#group = document.createElement("div");
      this.#group.className = "group";
      this.list.append(this.#group);
    }
    const node = document.createElement("div");
    const number = document.createElement("a");
    node.className = "line";
    node.id = `L${this.#number}`;
    node.classList.toggle("marked", location.hash === `#${node.id}`);
    number.className = "number";
    number.href = `#${node.id}`;
    number.tabIndex = -1;
    number.setAttribute("aria-hidden", "true");
    number.textContent = this.#number;
    node.append(number);
    if (this.options.times) {
      const time = document.createElement("time");
      time.dateTime = new Date(at).toISOString();
      time.textContent = this.clock.format(at);
      node.append(time);
    }
    node.append(document.createElement("span"));
    this.#group.append(node);
    this.#number += 1;
    this.#count += 1;
    return node;
  }

  loadAll() {
    this.kept = KEPT_ALL;
  }

  follow(on) {
    this.following = on;
    if (on) this.host.scrollTop = this.host.scrollHeight;
  }

  // Marks the line that the address names, and shows it.
  mark() {
    this.list.querySelectorAll(".marked").forEach((one) => one.classList.remove("marked"));
    const node = /^#L\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (!node) return false;
    node.classList.add("marked");
    this.following = false;
    this.host.scrollTop += node.getBoundingClientRect().top - this.host.getBoundingClientRect().top - this.host.clientHeight / 3;
    return true;
  }
}

// Of a line that never ends the beginning is kept; of one that is written over, what counts at last.
function short(raw) {
  if (raw.length <= 4 * LINE) return raw;
  const last = raw.slice(raw.lastIndexOf("\r", raw.length - 2) + 1);
  return last.length <= 4 * LINE ? last : last.slice(0, 4 * LINE);
}
