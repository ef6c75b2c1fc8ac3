// The output as a terminal shows it: colours, and progress bars that write over themselves. It can be read, found in
// and copied from; whatever the job writes, nothing answers, opens, renames or hides.
import { FitAddon } from "../vendor/xterm-addon-fit/addon-fit.mjs";
import { SearchAddon } from "../vendor/xterm-addon-search/addon-search.mjs";
import { Terminal } from "../vendor/xterm/xterm.mjs";

const COLUMNS = 80; // at least: progress bars are made for as many
const LINES = 20_000; // that can be scrolled back to
const LINES_LOADED = 100_000; // likewise, where somebody asked for all
const UNSAFE = /[\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // C1 controls, and what reorders the text around it
// Titles, links, pictures, the clipboard: strings for a terminal, none of which is shown. One that nobody ended hides
// no more than its line.
const STRING = /\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=[\x1b\n]))/g;
const UNFINISHED = /\x1b(?:[\]PX^_][^\x07\x1b\n]{0,4096}\x1b?)?$/;
const BEGUN = /\x1b[\]PX^_]/g;
const MODES = new Set([7, 25]); // wrapping and the cursor; others take the screen, the mouse or the keyboard
const SCROLL = { PageUp: ["scrollPages", -1], PageDown: ["scrollPages", 1], ArrowUp: ["scrollLines", -1], ArrowDown: ["scrollLines", 1] };
const LIGHT = {
  background: "#ffffff", foreground: "#1b2426", cursor: "#ffffff", cursorAccent: "#ffffff", selectionBackground: "#b9dcd8", overviewRulerBorder: "#ffffff",
  black: "#1b2426", red: "#b3261e", green: "#1f7a46", yellow: "#7a5600", blue: "#2454a6", magenta: "#8a3191", cyan: "#1f605b", white: "#586568",
  brightBlack: "#586568", brightRed: "#c4352c", brightGreen: "#1f7a46", brightYellow: "#7a5600", brightBlue: "#2f66c4", brightMagenta: "#a03fa8", brightCyan: "#237570", brightWhite: "#1b2426",
};
const DARK = {
  background: "#11171a", foreground: "#e4eaea", cursor: "#11171a", cursorAccent: "#11171a", selectionBackground: "#2f5552", overviewRulerBorder: "#11171a",
  black: "#2a3538", red: "#ff9088", green: "#6cc48c", yellow: "#e2bb62", blue: "#8ab4f8", magenta: "#d7a3e0", cyan: "#7cc7c0", white: "#c9d2d3",
  brightBlack: "#97a5a8", brightRed: "#ffb0aa", brightGreen: "#93d8ab", brightYellow: "#f0d492", brightBlue: "#b0ccfb", brightMagenta: "#e6c4ec", brightCyan: "#a6dbd6", brightWhite: "#ffffff",
};
const FOUND = {
  matchBackground: "#7a5600", matchOverviewRuler: "#7a5600", activeMatchBackground: "#b3261e", activeMatchColorOverviewRuler: "#b3261e",
};

// xterm.js makes styles as it goes. Its style elements carry the nonce of the page's policy; what it would write into
// style attributes, which the policy refuses, goes where the policy lets it.
function allowStyles(nonce) {
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const element = create(name, options);
    if (name === "style") element.nonce = nonce;
    else if (name === "span") element.setAttribute = setAttribute;
    return element;
  };
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

const dark = () => {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

export class TerminalView {
  // `moved(following)` is called when the viewer scrolls away from the end, or comes back to it.
  constructor(host, nonce, moved) {
    allowStyles(nonce);
    this.host = host;
    this.terminal = new Terminal({
      allowProposedApi: true, // for what was found
      convertEol: true,
      cursorInactiveStyle: "none",
      cursorStyle: "bar",
      cursorWidth: 1,
      disableStdin: true,
      fontFamily: getComputedStyle(host).fontFamily,
      fontSize: 13,
      lineHeight: 1.25,
      minimumContrastRatio: 4.5,
      overviewRuler: { width: 10 },
      scrollOnEraseInDisplay: true,
      scrollback: LINES,
      theme: dark() ? DARK : LIGHT,
    });
    this.fit = new FitAddon();
    this.search = new SearchAddon({ highlightLimit: 1000 });
    this.terminal.loadAddon(this.fit);
    this.terminal.loadAddon(this.search);
    this.#tame();
    this.terminal.open(host);
    this.#passKeys();
    this.following = true;
    this.moved = moved;
    this.terminal.onRender(() => this.#look());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.terminal.options.theme = dark() ? DARK : LIGHT;
    });
    new ResizeObserver(() => this.resize()).observe(host);
    this.begin();
  }

  #decoders = {}; // by stream, as what was held back
  #held = {};
  #writing = 0;

  // Lets nothing take effect that is not about what stands where, and in which colour.
  #tame() {
    const { parser } = this.terminal;
    const mode = (parameters) => !parameters.every((one) => MODES.has(one));
    parser.registerCsiHandler({ prefix: "?", final: "h" }, mode);
    parser.registerCsiHandler({ prefix: "?", final: "l" }, mode);
    parser.registerCsiHandler({ final: "J" }, ([what]) => what === 3); // the lines before stay
    parser.registerEscHandler({ final: "c" }, () => true); // likewise
  }

  // It is read, not typed into: keys scroll, and all others are the page's.
  #passKeys() {
    this.terminal.attachCustomKeyEventHandler(() => false);
    this.terminal.textarea.tabIndex = -1;
    this.terminal.textarea.readOnly = true;
    this.terminal.textarea.setAttribute("aria-hidden", "true");
    this.host.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const [method, amount] = SCROLL[event.key] ?? [];
      if (method) this.terminal[method](amount);
      else if (event.key === "Home") this.terminal.scrollToTop();
      else if (event.key === "End") this.terminal.scrollToBottom();
      else return;
      event.preventDefault();
    });
  }

  #look() {
    const { viewportY, baseY } = this.terminal.buffer.active;
    const atEnd = viewportY >= baseY;
    if (this.#writing || atEnd === this.following) return;
    this.following = atEnd;
    this.moved(atEnd);
  }

  begin() {
    this.#decoders = {};
    this.#held = {};
    this.terminal.reset();
  }

  loadAll() {
    this.terminal.options.scrollback = LINES_LOADED;
  }

  write({ stream, bytes }) {
    this.#decoders[stream] ??= new TextDecoder();
    const all = (this.#held[stream] ?? "") + this.#decoders[stream].decode(bytes, { stream: true });
    const held = this.#held[stream] = UNFINISHED.exec(all)?.[0] ?? "";
    const text = all.slice(0, all.length - held.length).replace(STRING, "").replace(BEGUN, "").replace(UNSAFE, "\ufffd");
    const { viewportY } = this.terminal.buffer.active;
    this.#writing += 1;
    this.terminal.write(text, () => {
      this.#writing -= 1;
      if (!this.following && this.terminal.buffer.active.viewportY !== viewportY && viewportY < this.terminal.buffer.active.baseY) {
        this.terminal.scrollToLine(viewportY);
      }
    });
  }

  follow(on) {
    this.following = on;
    if (on) this.terminal.scrollToBottom();
  }

  find(text, back) {
    const options = { decorations: FOUND };
    return back ? this.search.findPrevious(text, options) : this.search.findNext(text, options);
  }

  onFound(heard) {
    this.search.onDidChangeResults(heard);
  }

  unfind() {
    this.search.clearDecorations();
    this.terminal.clearSelection();
  }

  // Takes no more room than what is there, once nothing more will come.
  settle() {
    this.terminal.write("", () => {
      const { baseY, cursorY } = this.terminal.buffer.active;
      const height = this.host.querySelector(".xterm-screen").clientHeight / this.terminal.rows;
      if (baseY || this.host.hidden || document.fullscreenElement) return;
      const { paddingTop, paddingBottom } = getComputedStyle(this.terminal.element);
      const rows = Math.max(cursorY + 1, 4); // with the cursor's, or the first would scroll away
      this.host.style.height = `${Math.ceil(rows * height + parseFloat(paddingTop) + parseFloat(paddingBottom) + 6)}px`;
    });
  }

  resize() {
    const size = this.host.hidden ? null : this.fit.proposeDimensions();
    if (!size?.rows) return;
    const rows = size.cols < COLUMNS ? size.rows - 1 : size.rows; // for the bar that scrolls sideways
    this.terminal.resize(Math.max(size.cols, COLUMNS), Math.max(rows, 4));
  }
}
