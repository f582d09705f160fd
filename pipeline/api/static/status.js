// Says when the server or its Redis is away, since when, and takes it back by itself.

import { moment, momentTold, now } from "./format.js";
import { h } from "./dom.js";

const PATIENCE_SECONDS = 1.5;
/** A connection that is renewed at once is no trouble worth a banner. */

const TEXTS = {
  server: [
    "The server does not answer",
    "What is shown is what was known then. The page goes on asking, and heals by itself.",
  ],
  redis: [
    "Redis is away",
    "No history can be read and no new point is shown until it is back; the page then heals by itself.",
  ],
};

export class Status {
  /** @type {Map<string, {since: number, detail: string, timer: number}>} */
  #away = new Map();
  #host;

  /** @param {HTMLElement} host a live region */
  constructor(host) {
    this.#host = host;
  }

  /** @param {"server" | "redis"} what */
  away(what, detail = "") {
    const known = this.#away.get(what);
    if (known) {
      known.detail = detail || known.detail;
      return;
    }
    const timer = setTimeout(() => this.#show(), PATIENCE_SECONDS * 1000);
    this.#away.set(what, { since: now(), detail, timer });
  }

  /** @returns {boolean} whether it was away before */
  back(what) {
    const known = this.#away.get(what);
    if (!known) return false;
    clearTimeout(known.timer);
    this.#away.delete(what);
    this.#show();
    return true;
  }

  /** Of a request that failed. @param {import("./api.js").Problem} problem */
  failed(problem) {
    if (problem.status === 0) this.away("server");
    else if (problem.status >= 500) {
      this.back("server");
      this.away("redis", problem.detail);
    }
  }

  /** Of a request that was answered. */
  answered() {
    this.back("server");
    this.back("redis");
  }

  /** Whether anything is away. */
  get troubled() {
    return this.#away.size > 0;
  }

  #show() {
    const rows = [...this.#away].filter(([, { since }]) => now() - since >= PATIENCE_SECONDS * 0.9);
    this.#host.replaceChildren(
      ...rows.slice(0, 1).map(([what, { since, detail }]) => {
        const [headline, advice] = TEXTS[what];
        return h(
          "div",
          { class: "banner", dataset: { away: what } },
          h(
            "p",
            {},
            h("strong", {}, headline),
            " since ",
            h("time", { title: momentTold(since, true) }, moment(since, true)),
            ".",
          ),
          h("p", {}, advice, detail ? h("span", { class: "soft" }, ` ${detail}`) : null),
        );
      }),
    );
  }
}
