// The page of the fleet: all streams, the worst first, searched and sorted by the server, a hundred rows at a time.

import { Problem } from "./api.js";
import { STREAMS, askStreams } from "./asking.js";
import { h, heard, say } from "./dom.js";
import { takeEarly } from "./early.js";
import { count, name, score, tone, word } from "./format.js";
import { drawn } from "./measured.js";
import { ladderBars } from "./sparkline.js";
import { freshness } from "./times.js";
import { href } from "./view.js";

const MOST_AT_ONCE = 1000;
const POLL_SECONDS = 5;
const TYPING_SECONDS = 0.2;
const COLUMNS = [
  ["name", "Stream", "by name"],
  ["worst", "Worst rung now", "worst first"],
  [null, "Ladder", ""],
  ["findings", "Findings", "most open first"],
  ["fresh", "Last point", "by freshness"],
  [null, "Model", ""],
];

export class FleetPage {
  #root;
  #status;
  #go;
  #view;
  #parts;
  #rows = new Map();
  #streams = [];
  #next = null;
  #wanted = STREAMS;
  #asking = new AbortController();
  #timers = {};
  #watch;
  #fetchedAt = 0;

  constructor(root, status, go) {
    this.#root = root;
    this.#status = status;
    this.#go = go;
  }

  /** @param {import("./view.js").View} view */
  open(view) {
    this.#view = view;
    document.title = "Streams · Rungwatch";
    this.#lay();
    this.#load();
    this.#timers.poll = setInterval(() => document.hidden || this.#load({ quiet: true }), POLL_SECONDS * 1000);
    this.#timers.tick = setInterval(() => this.#tick(), 1000);
    document.addEventListener("visibilitychange", this.#seen);
  }

  update(view) {
    this.#view = view;
    if (document.activeElement !== this.#parts.search) this.#parts.search.value = view.search;
    this.#wanted = STREAMS;
    this.#head();
    this.#load();
  }

  restyle() {}

  close() {
    this.#asking.abort();
    this.#watch.disconnect();
    Object.values(this.#timers).forEach(clearTimeout);
    document.removeEventListener("visibilitychange", this.#seen);
  }

  #seen = () => document.hidden || this.#load({ quiet: true });

  #lay() {
    const parts = (this.#parts = {
      told: h("p", { class: "facts", "aria-live": "polite" }),
      search: h("input", {
        type: "search",
        id: "search",
        placeholder: "Search streams",
        autocomplete: "off",
        spellcheck: "false",
        value: this.#view.search,
        oninput: () => this.#typed(),
      }),
      head: h("tr"),
      body: h("tbody"),
      more: h("button", { type: "button", class: "more-rows", hidden: true, onclick: () => this.#more() }, "Show more"),
      empty: h("div", { class: "panel teach", hidden: true }),
    });
    parts.table = h(
      "table",
      { class: "fleet" },
      h("caption", { class: "heard" }, "Streams"),
      h("thead", {}, parts.head),
      parts.body,
    );
    this.#root.replaceChildren(
      h(
        "div",
        { class: "headline" },
        h("h1", {}, "Streams"),
        parts.told,
        h(
          "div",
          { class: "search" },
          h("label", { for: "search", class: "heard" }, "Search streams"),
          parts.search,
          h("kbd", { "aria-hidden": "true" }, "/"),
        ),
      ),
      h("div", { class: "panel fleet-panel" }, parts.table, parts.more),
      parts.empty,
    );
    this.#head();
    this.#watch = new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && this.#more(), {
      rootMargin: "600px",
    });
    this.#watch.observe(parts.more);
  }

  #head() {
    const { sort } = this.#view;
    this.#parts.head.replaceChildren(
      ...COLUMNS.map(([key, title, told]) => {
        if (!key) return h("th", { scope: "col" }, title);
        const chosen = sort === key;
        const direction = key === "findings" ? "descending" : "ascending";
        return h(
          "th",
          { scope: "col", "aria-sort": chosen ? direction : null },
          h(
            "button",
            { type: "button", onclick: () => this.#go({ ...this.#view, sort: key }) },
            title,
            h(
              "span",
              { "aria-hidden": "true", class: "arrow" },
              chosen ? (direction === "descending" ? "▼" : "▲") : "",
            ),
            heard(` ${told}`),
          ),
        );
      }),
    );
  }

  #typed() {
    clearTimeout(this.#timers.typing);
    this.#timers.typing = setTimeout(
      () => this.#go({ ...this.#view, search: this.#parts.search.value.trim() }, { replace: true }),
      TYPING_SECONDS * 1000,
    );
  }

  // ---- asking

  async #load({ quiet = false } = {}) {
    if (quiet && this.#busy) return;
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#busy = true;
    try {
      let [streams, next, total] = [[], null, 0];
      do {
        const limit = Math.min(this.#wanted - streams.length, MOST_AT_ONCE);
        const answer = await (takeEarly() ?? askStreams(this.#view, signal, limit, next));
        streams = streams.concat(answer.streams);
        ({ next, total } = answer);
      } while (next && streams.length < this.#wanted);
      this.#status.answered();
      this.#fetchedAt = performance.now();
      this.#show(quiet ? this.#held(streams) : streams, next, total);
      this.#lookForMore();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (error.passing) this.#status.failed(error);
      else this.#teach(h("p", {}, h("strong", {}, error.title), ` ${error.detail}`));
    } finally {
      if (!signal.aborted) this.#busy = false;
    }
  }

  #busy = false;

  /** Watches the end of the list anew: that it is in sight already is told once only. */
  #lookForMore() {
    this.#watch.unobserve(this.#parts.more);
    this.#watch.observe(this.#parts.more);
  }

  #more() {
    if (!this.#next || this.#busy) return;
    this.#wanted = this.#streams.length + STREAMS;
    this.#load();
  }

  /** Whoever points at a row or has the focus on it does not want it to jump away: numbers change, places do not. */
  #held(streams) {
    if (!this.#parts.body.matches(":hover, :focus-within")) return streams;
    const places = new Map(this.#streams.map(({ stream_id: id }, index) => [id, index]));
    const place = ({ stream_id: id }) => places.get(id) ?? Infinity;
    return [...streams].sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  }

  // ---- showing

  #show(streams, next, total) {
    this.#streams = streams;
    this.#next = next;
    const rows = streams.map((stream) => this.#row(stream));
    const kept = new Set(streams.map((stream) => stream.stream_id));
    for (const id of this.#rows.keys()) if (!kept.has(id)) this.#rows.delete(id);
    rows.forEach((row, index) => {
      if (this.#parts.body.children[index] !== row)
        this.#parts.body.insertBefore(row, this.#parts.body.children[index] ?? null);
    });
    while (this.#parts.body.children.length > rows.length) this.#parts.body.lastChild.remove();
    this.#parts.more.hidden = next === null || next === undefined;
    say(this.#parts.told, this.#sentence(total));
    this.#parts.table.parentNode.hidden = total === 0;
    if (total > 0) this.#parts.empty.hidden = true;
    else if (this.#view.search)
      this.#teach(
        h(
          "p",
          {},
          h("strong", {}, "No stream has this in its name."),
          " ",
          h("a", { href: href({ sort: this.#view.sort }) }, "See all streams"),
        ),
      );
    else this.#teach(...FIRST_STEPS());
    drawn();
  }

  #sentence(total) {
    if (!total) return "";
    const wrong = this.#streams.filter((each) => tone(each.score) === "wrong").length;
    const all = wrong === this.#streams.length && this.#next;
    const found = `${count(total, "stream")}${this.#view.search ? " found" : ""}`;
    if (this.#view.sort !== "worst") return found;
    return `${found}, ${wrong ? `${wrong}${all ? " or more" : ""} with a poor or bad rung` : "no rung is poor or bad"}`;
  }

  #row(stream) {
    const key = JSON.stringify(stream, (field, value) =>
      field === "age_seconds" || field === "written_at" ? undefined : value,
    );
    let row = this.#rows.get(stream.stream_id);
    if (!row) {
      const link = h(
        "a",
        { href: href({ stream: stream.stream_id }), title: name(stream.stream_id) },
        name(stream.stream_id),
      );
      row = { element: h("tr", {}, h("th", { scope: "row" }, link)), fresh: h("td"), age: null, key: null };
      this.#rows.set(stream.stream_id, row);
    }
    if (row.key !== key) {
      row.key = key;
      // The name stays in its place: it may have the focus.
      while (row.element.children.length > 1) row.element.lastChild.remove();
      row.element.append(...cells(stream, row.fresh));
    }
    row.age = stream.age_seconds;
    this.#age(row);
    return row.element;
  }

  #tick() {
    if (document.hidden) return;
    for (const row of this.#rows.values()) this.#age(row);
  }

  #age(row) {
    if (row.age === null || row.age === undefined) {
      say(row.fresh, "on demand");
      row.fresh.className = "fresh soft";
      return;
    }
    const { text, silent } = freshness(row.age + (performance.now() - this.#fetchedAt) / 1000);
    say(row.fresh, text);
    row.fresh.className = silent ? "fresh wrong" : "fresh";
  }

  #teach(...content) {
    this.#parts.empty.hidden = false;
    this.#parts.empty.replaceChildren(...content);
  }
}

function cells(stream, fresh) {
  const shown = tone(stream.score);
  const open = stream.open_findings;
  return [
    h(
      "td",
      { class: "worst" },
      h(
        "span",
        {},
        h("b", { class: shown }, score(stream.score)),
        h("span", { class: `word ${shown}` }, word(stream.score)),
        h("span", { class: "soft of" }, name(stream.worst_rendition_id)),
      ),
    ),
    h("td", { class: "bars-cell" }, ladderBars(stream.ladder)),
    h(
      "td",
      { class: "open" },
      open ? h("span", { class: "tag warning" }, `${open} open`) : h("span", { class: "soft" }, "none"),
    ),
    fresh,
    h("td", { class: "soft model" }, `${name(stream.model)} at ${stream.display_height_px} px`),
  ];
}

const FIRST_STEPS = () => [
  h("h2", {}, "No stream has points yet"),
  h("p", {}, "Points appear here as soon as something is scored. To begin:"),
  h(
    "ul",
    {},
    [
      ["rungwatch watch https://example.org/live/master.m3u8", "follow a live ladder, HLS or DASH, without Kafka"],
      ["rungwatch watch PATH", "score the ladders in a folder, and what is added to it"],
      ["rungwatch demo --live", "see it all with a ladder made on the spot"],
    ].map(([command, told]) => h("li", {}, h("code", {}, command), h("span", { class: "soft" }, told))),
  ),
  h("p", { class: "soft" }, "They must write to the Redis, or to the folder of state, that this page is served from."),
];
