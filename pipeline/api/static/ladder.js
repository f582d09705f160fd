// The table of the ladder: what each rung is worth now, and how it was in the range that is shown.

import { bitrate, name, score, tone, word } from "./format.js";
import { h, say } from "./dom.js";
import { kind } from "./readout.js";
import { Series } from "./series.js";
import { draw, sparkline } from "./sparkline.js";
import { freshness, timeOf } from "./times.js";

export class LadderTable {
  #first = h("th", { scope: "col" });
  #body = h("tbody");
  #rows = new Map();
  #on;

  /**
   * @param {{focus: (id: string | null) => void, look: (from: number, to: number) => string}} on
   *   `look`: the address of a span
   */
  constructor(on) {
    this.#on = on;
    this.element = h(
      "table",
      { class: "ladder" },
      h("caption", { class: "heard" }, "The ladder: latest score of every rung, and its course in the range shown"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Rung"),
          this.#first,
          h("th", { scope: "col", class: "num" }, "Interval"),
          h("th", { scope: "col", class: "num" }, "Bitrate"),
          h("th", { scope: "col" }, "Course"),
          h("th", { scope: "col", class: "num now" }, "Mean"),
          h("th", { scope: "col" }, "Worst in range"),
          h("th", { scope: "col", class: "now" }, "Last point"),
        ),
      ),
      this.#body,
    );
  }

  /**
   * Makes the rows.
   * @param {{id: string, label: string, colour: string}[]} rungs the best first
   * @param {boolean} live
   */
  lay(rungs, live) {
    // Of a title the first column is the mean of the range already, and no point is the last.
    this.element.classList.toggle("title", !live);
    say(this.#first, live ? "Latest" : "Mean");
    this.#rows.clear();
    this.#body.replaceChildren(...rungs.map((rung) => this.#row(rung)));
  }

  /** @param {any} point as of /api/v1/ladder */
  latest(point, live) {
    const row = this.#rows.get(point.rendition_id);
    if (!row) return;
    row.end = live ? point.start_seconds + point.duration_seconds : null;
    say(row.score, score(point.score));
    say(row.word, word(point.score));
    row.latest.className = `latest ${tone(point.score)}`;
    row.bar.style.width = `${point.score}%`;
    const interval = `${score(point.low)}–${score(point.high)}`;
    say(row.interval, interval);
    row.latest.dataset.interval = interval; // shown there where there is no room for its column
    say(row.bitrate, bitrate(point.bitrate_bps));
    const found = [...(point.label === "ad" ? ["ad"] : []), ...(point.findings ?? []).map(kind)].join(", ");
    say(row.found, found);
    row.found.hidden = !found;
    row.found.className = point.findings?.length ? "tag wrong" : "tag";
  }

  /** Draws the course of one rung over [from, to). @param {import("./series.js").Rung} rung */
  course(rung, from, to, live) {
    const row = this.#rows.get(rung.id);
    if (!row) return;
    draw(row.spark, rung, from, to, row.colour);
    const told = Series.told(rung, from, to);
    say(row.mean, told ? score(told.mean) : "–");
    const key = told ? `${told.least}/${told.leastSeconds}` : "";
    if (key === row.worstKey) return;
    row.worstKey = key;
    row.worst.replaceChildren(
      ...(told
        ? [
            h("b", { class: tone(told.least) }, score(told.least)),
            " ",
            h("a", { href: this.#on.look(told.leastSeconds, told.leastEnd) }, timeOf(told.leastSeconds, live)),
          ]
        : ["–"]),
    );
  }

  /** Lets the ages grow. */
  tick(nowSeconds, live) {
    for (const row of this.#rows.values()) {
      if (!live || row.end === null) continue;
      const { text, silent } = freshness(nowSeconds - row.end);
      say(row.age, text);
      row.age.className = silent ? "wrong" : "soft";
    }
  }

  #row({ id, label, colour }) {
    const chip = h("i", { class: "chip" });
    chip.style.background = colour;
    const bar = h("i");
    bar.style.background = colour;
    const row = {
      colour,
      end: null,
      bar,
      worstKey: null,
      spark: sparkline(),
      latest: h("span", { class: "latest" }),
      score: h("b"),
      word: h("span", { class: "word" }),
      found: h("span", { class: "tag", hidden: true }),
      interval: h("td", { class: "num soft", dataset: { label: "Interval" } }),
      bitrate: h("td", { class: "num", dataset: { label: "Bitrate" } }),
      mean: h("td", { class: "num now", dataset: { label: "Mean" } }, "–"),
      worst: h("td", { dataset: { label: "Worst" } }, "–"),
      age: h("span", { class: "soft" }),
    };
    row.latest.append(h("span", { class: "bar", "aria-hidden": "true" }, bar), row.score, row.word);
    this.#rows.set(id, row);
    return h(
      "tr",
      { onpointerenter: () => this.#on.focus(id), onpointerleave: () => this.#on.focus(null) },
      h("th", { scope: "row" }, h("span", { class: "rung", title: name(id) }, chip, h("span", {}, label))),
      h("td", { dataset: { label: "Latest" } }, row.latest, row.found),
      row.interval,
      row.bitrate,
      h("td", { class: "course" }, row.spark.picture),
      row.mean,
      row.worst,
      h("td", { class: "now", dataset: { label: "Last" } }, row.age),
    );
  }
}
