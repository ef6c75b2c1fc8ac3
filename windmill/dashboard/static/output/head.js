// What stands above the output: every page that stays open refreshes it; here time goes on in between, and its end
// comes as soon as the output's.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// In at most two units, as the server tells it.
export function lasting(seconds) {
  const parts = [];
  let rest = Math.max(Math.floor(seconds), 0);
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || parts.length) parts.push(count ? `${count} ${unit}` : "");
  }
  return parts.slice(0, 2).filter(Boolean).join(" ") || "0 s";
}

export class Head {
  constructor(words) {
    this.words = words;
    this.timer = document.getElementById("live") ? setInterval(() => this.#tick(), 1000) : 0;
  }

  #tick() {
    const elapsed = document.querySelector("#live .elapsed[data-seconds]");
    document.title = document.querySelector("#live")?.dataset.title ?? document.title;
    if (!elapsed) return;
    if (elapsed.dataset.seconds !== this.told) {
      this.told = elapsed.dataset.seconds; // by the server's clock, which need not be ours
      this.at = performance.now();
    }
    const seconds = Number(this.told) + (performance.now() - this.at) / 1000;
    elapsed.textContent = lasting(seconds);
    const bar = document.querySelector("#live progress[data-usual]");
    if (!bar) return;
    const usual = Number(bar.dataset.usual);
    bar.value = Math.min(seconds / usual, 1);
    if (usual - seconds >= 1) bar.nextElementSibling.textContent = this.words.left.replace("{}", lasting(usual - seconds));
  }

  // Takes over how it ended, and returns it in a word.
  async end() {
    clearInterval(this.timer);
    const answer = await fetch(location.pathname, { headers: { "HX-Request": "true" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("summary");
    const stale = document.querySelector("#live, #summary");
    if (!fresh || !stale) return "";
    const held = stale.contains(document.activeElement);
    stale.replaceWith(fresh);
    times.tellAll(fresh); // of times.js
    document.title = page.title;
    if (held) document.getElementById("name").focus({ preventScroll: true });
    return fresh.querySelector(".state").lastChild.textContent.trim();
  }
}
