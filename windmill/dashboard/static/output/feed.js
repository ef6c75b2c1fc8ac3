// What the execution wrote, block by block, as it comes: from a stream, else by asking again and again.
const POLL = 2000; // milliseconds
const KEPT = 12 << 20; // bytes; what is raw has everything

export class Feed {
  // `on` hears block({at, stream, bytes}), begin(), state("live" | "polling" | "away") and end(state).
  constructor({ stream, events, after }, on) {
    this.stream = stream;
    this.events = events;
    this.on = on;
    this.ended = false;
    this.#from(after);
  }

  #source = null;
  #timer = 0;
  #turn = 0; // who asks in an older one is not heard any more

  #from(after) {
    this.after = after;
    this.blocks = [];
    this.size = 0;
  }

  // Begins again behind another frame.
  restart(after) {
    this.close();
    this.#from(after);
    this.ended = false;
    this.on.begin();
    this.open();
  }

  close() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  open() {
    this.close();
    if (this.ended) return;
    const source = new EventSource(`${this.stream}?after=${this.after}`);
    this.#source = source;
    source.onopen = () => this.on.state("live");
    source.onmessage = ({ lastEventId, data }) => this.#take(lastEventId, data);
    source.addEventListener("end", ({ data }) => this.#end(data));
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return this.on.state("away"); // it comes again by itself
      this.close();
      this.#poll(this.#turn);
    };
  }

  async #poll(mine) {
    let wait = POLL;
    try {
      const answer = await fetch(`${this.events}?after=${this.after}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const events = (await answer.text()).split("\n\n").filter(Boolean);
      if (mine !== this.#turn) return;
      this.on.state("polling");
      for (const event of events) {
        const { id, event: kind, data } = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/s, 2)));
        if (kind === "end") return this.#end(data);
        this.#take(id, data);
      }
      if (events.length) wait = 0;
    } catch {
      if (mine !== this.#turn) return;
      this.on.state("away");
    }
    this.#timer = setTimeout(() => this.#poll(mine), wait);
  }

  #take(id, data) {
    const [at, stream, coded] = data.split(" ");
    const bytes = Uint8Array.from(atob(coded), (sign) => sign.charCodeAt(0));
    const block = { at: Number(at), stream, bytes };
    this.after = id;
    this.blocks.push(block);
    this.size += bytes.length;
    while (this.size > KEPT) this.size -= this.blocks.shift().bytes.length;
    this.on.block(block);
  }

  #end(state) {
    this.close();
    this.ended = true;
    this.on.end(state);
  }
}
