// The output of one execution, as it comes, as a terminal shows it or as lines. Without this script the page shows it
// as lines, up to when it was loaded.
import { Feed } from "./feed.js";
import { Head } from "./head.js";
import { bindKeys } from "./keys.js";
import { LinesView } from "./lines.js";

const KEY = "windmill.output"; // what was chosen last: "terminal" or "text"
const section = document.getElementById("output");
const words = JSON.parse(section.dataset.words);
const query = new URLSearchParams(location.search);
const [status, latest, find, screen] = ["feed", "latest", "find", "terminal"].map((id) => document.getElementById(id));
const buttons = Object.fromEntries([...section.querySelectorAll("[data-do]")].map((one) => [one.dataset.do, one]));
const clock = new Intl.DateTimeFormat(document.documentElement.lang, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});

const lines = new LinesView(document.getElementById("text"), words, clock);
const head = new Head(words);
let terminal = null, view = null, unseen = 0;

function say(text) {
  if (status.textContent !== text) status.textContent = text;
}

const feed = new Feed({ ...section.dataset }, {
  begin() {
    lines.begin(1, false);
    terminal?.begin();
  },
  block(block) {
    if (view === null) return;
    document.getElementById("nothing").hidden = true;
    view.host.hidden = false;
    view.write(block);
    if (!view.following) count(block);
  },
  state(name) {
    section.dataset.feed = name;
    say(section.dataset.state === "queued" || !feed.ended ? words[name] : "");
  },
  async end(state) {
    section.dataset.feed = "ended";
    buttons.follow.hidden = true;
    terminal?.settle();
    const was = section.dataset.state;
    section.dataset.state = state;
    if (was === state) return say(""); // it had ended before the page was loaded
    say(words.ended.replace("{}", await head.end()));
  },
});

function count({ bytes }) {
  for (const byte of bytes) unseen += byte === 10;
  showLatest();
}

function showLatest() {
  const following = view.following;
  if (following) unseen = 0;
  latest.hidden = following;
  buttons.follow.setAttribute("aria-pressed", following);
  const plural = new Intl.PluralRules(document.documentElement.lang).select(unseen) === "one" ? "one" : "other";
  latest.textContent = unseen ? words.unseen[plural].replace("{}", unseen.toLocaleString(document.documentElement.lang)) : words.latest;
}

function follow(on) {
  view.follow(on);
  showLatest();
}

// Fills a view that was not shown with everything there is.
function fill(one) {
  if (one === lines) lines.begin(Number(section.dataset.first), section.dataset.after !== "0" && !query.has("after"));
  else one.begin();
  for (const block of feed.blocks) one.write(block);
}

async function show(name) {
  const wanted = name === "terminal" ? await theTerminal() : lines;
  if (view === wanted) return;
  const other = view;
  view = wanted;
  if (other) {
    other.host.hidden = true;
    if (feed.blocks.length) fill(view);
  }
  section.dataset.view = name;
  view.host.hidden = !document.getElementById("nothing").hidden;
  lines.host.hidden ||= view !== lines;
  for (const one of ["terminal", "text"]) buttons[one].setAttribute("aria-pressed", one === name);
  if (name === "text") unfind();
  view.resize?.();
  if (feed.ended) view.settle?.();
  follow(other ? other.following : true);
}

async function theTerminal() {
  if (terminal === null) {
    const { TerminalView } = await import("./terminal.js");
    const { nonce } = document.querySelector("link[nonce]");
    screen.hidden = false;
    terminal = new TerminalView(screen, nonce, showLatest);
    terminal.onFound(({ resultIndex, resultCount }) => {
      document.getElementById("found").textContent = resultCount
        ? words.found.replace("{}", resultIndex + 1).replace("{}", resultCount)
        : words.none;
    });
  }
  return terminal;
}

function choose(name) {
  localStorage.setItem(KEY, name);
  return show(name);
}

function look(event) {
  event?.preventDefault();
  find.hidden = false;
  buttons.find.setAttribute("aria-expanded", "true");
  find.elements[0].focus();
  find.elements[0].select();
}

function unfind() {
  if (find.hidden) return;
  find.hidden = true;
  buttons.find.setAttribute("aria-expanded", "false");
  terminal?.unfind();
}

function seek(back) {
  const wanted = find.elements[0].value;
  if (wanted) terminal.find(wanted, back);
  else {
    terminal.unfind();
    document.getElementById("found").textContent = "";
  }
}

// How the text looks is the same address with and without this script.
function option(event, name) {
  event.preventDefault();
  const link = buttons[name];
  const on = link.getAttribute("aria-current") !== "true";
  if (on) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  if (name === "wrap") lines.host.classList.toggle("unwrapped", !on);
  else {
    lines.options[name] = name === "stream" ? (on ? "stderr" : "") : on;
    fill(lines);
  }
}

const DOES = {
  terminal: () => choose("terminal"),
  text: () => choose("text"),
  follow: () => follow(!view.following),
  find: () => (find.hidden ? look() : unfind()),
  all() {
    buttons.all.hidden = true;
    document.getElementById("earlier")?.remove();
    section.dataset.first = "1";
    section.dataset.after = "0";
    for (const one of [lines, terminal]) one?.loadAll();
    say(words.loading);
    feed.restart("0");
  },
  full: () => (document.fullscreenElement ? document.exitFullscreen() : section.requestFullscreen()),
  previous: () => seek(true),
  next: () => {}, // by submitting
  unfind,
  stream: (event) => option(event, "stream"),
  times: (event) => option(event, "times"),
  wrap: (event) => option(event, "wrap"),
};

for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", DOES[name]);
find.addEventListener("submit", (event) => {
  event.preventDefault();
  seek(false);
});
find.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  unfind();
  screen.focus();
});
latest.addEventListener("click", () => {
  follow(true);
  view.host.focus();
});
lines.host.addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = lines.host;
  const atEnd = scrollHeight - scrollTop - clientHeight < 24;
  if (view !== lines || lines.following === atEnd) return;
  lines.following = atEnd;
  showLatest();
});
addEventListener("hashchange", () => lines.mark() && showLatest());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) feed.close(); // a browser gives all its tabs six connections
  else feed.open();
});
bindKeys({ f: () => !feed.ended && follow(!view.following), "/": () => view === terminal && look() });

for (const one of section.querySelectorAll(".scripted")) one.hidden = false;
if (!document.fullscreenEnabled) buttons.full.hidden = true;
Object.assign(lines.options, { stream: query.get("stream") === "stderr" ? "stderr" : "", times: query.has("times") });
lines.begin(Number(section.dataset.first), section.dataset.after !== "0" && !query.has("after"));
const named = /^#L\d+$/.test(location.hash) || query.has("after") || query.has("stream") || query.has("times");
await show(named ? "text" : localStorage.getItem(KEY) ?? "terminal");
if (lines.mark()) showLatest();
feed.open();
