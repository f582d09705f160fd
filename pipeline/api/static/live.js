// The live feed of the server (/api/v1/events): points, findings, and how the server and its Redis are.

import { address } from "./api.js";

const FIRST_WAIT_SECONDS = 1;
const LONGEST_WAIT_SECONDS = 10;
const HIDDEN_SECONDS = 20;
/** A page that nobody sees gives its connection back: a browser has six for one server. */

export class Feed {
  #stream;
  #on;
  #source = null;
  #timer = 0;
  #wait = FIRST_WAIT_SECONDS;
  #missed = false;
  #closed = false;

  /**
   * @param {string} stream
   * @param {{begun: Function, point: Function, finding: Function, state: Function, missed: Function, away: Function,
   *   back: Function}} on
   *   `begun`: from now on all is heard; `missed`: something may have been sent while we were not there, and all must
   *   be asked for anew
   */
  constructor(stream, on) {
    this.#stream = stream;
    this.#on = on;
    document.addEventListener("visibilitychange", this.#seen);
    this.#open();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#source?.close();
  }

  #open() {
    const source = new EventSource(address("events", { stream: this.#stream }));
    this.#source = source;
    const heard = (type, then) => source.addEventListener(type, (event) => then(JSON.parse(event.data || "{}")));
    source.addEventListener("open", () => {
      this.#wait = FIRST_WAIT_SECONDS;
      this.#on.back();
      if (this.#missed) this.#on.missed();
      else this.#on.begun();
      this.#missed = false;
    });
    heard("point", this.#on.point);
    heard("finding", this.#on.finding);
    heard("state", this.#on.state);
    heard("gap", this.#on.missed);
    source.addEventListener("error", () => {
      this.#missed = true;
      this.#on.away();
      // An answer that is no stream of events (503 at a start, 401) ends the browser's own tries.
      if (source.readyState === EventSource.CLOSED) this.#again();
    });
  }

  #again() {
    this.#source?.close();
    this.#source = null;
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), this.#wait * 1000);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_SECONDS);
  }

  #seen = () => {
    clearTimeout(this.#timer);
    if (document.hidden) {
      this.#timer = setTimeout(() => {
        this.#source?.close();
        this.#source = null;
        this.#missed = true;
      }, HIDDEN_SECONDS * 1000);
    } else if (!this.#source) this.#open();
  };
}
