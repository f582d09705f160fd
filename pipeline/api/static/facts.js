// The stream in a line under its name, and its chart in words for those who do not see it.

import { h, say } from "./dom.js";
import { count, name, now, score, short, tone, word } from "./format.js";
import { Series } from "./series.js";
import { freshness } from "./times.js";

export class Facts {
  element = h("p", { class: "facts" });
  #shown = "";

  /** @param {any} ladder of /api/v1/ladder @param {any[]} points the latest of every rung */
  show(ladder, points) {
    if (!points.length) return;
    const { live, model, weights_hash: hash, display_height_px: height } = ladder;
    const worst = points.reduce((a, b) => (b.score < a.score ? b : a));
    const fresh = live ? freshness(now() - lastEnd(points)) : null;
    const when = live ? "worst now " : "worst in mean ";
    const state = !live ? "on demand" : fresh.silent ? "silent" : "live";
    const shown = [state, fresh?.text, score(worst.score), word(worst.score), worst.rendition_id, points.length].join(
      "|",
    );
    if (this.#shown === shown) return;
    this.#shown = shown;
    const parts = [
      h("span", { class: `pulse ${live ? (fresh.silent ? "silent" : "on") : ""}` }, state),
      h(
        "span",
        {},
        when,
        h("b", { class: tone(worst.score) }, `${score(worst.score)} ${word(worst.score)}`),
        ` on ${short(name(worst.rendition_id), 24)}`,
      ),
      h("span", {}, count(points.length, "rung")),
      h("span", {}, `shown at ${height} px`),
      h("span", { title: `weights ${hash}` }, `model ${name(model)}`),
    ];
    if (fresh)
      parts.push(
        h("span", { class: fresh.silent ? "wrong" : null }, fresh.silent ? fresh.text : `last point ${fresh.text}`),
      );
    this.element.replaceChildren(...parts);
  }
}

/** Where the newest of some points ends. */
export const lastEnd = (points) => Math.max(...points.map((each) => each.start_seconds + each.duration_seconds));

/** Says what the chart shows. @param {HTMLElement} element @param {import("./chart.js").Scene} scene */
export function tellChart(element, { series, from, to }, incidents) {
  const lines = series.rungs.map((rung) => {
    const told = Series.told(rung, from, to);
    if (!told) return `${name(rung.id)}: nothing in this range`;
    return `${name(rung.id)}: mean ${score(told.mean)}, ${word(told.mean)}, worst ${score(told.least)}`;
  });
  say(element, `Scores from 0 to 100 by rung. ${lines.join(". ")}. ${count(incidents, "incident")}.`);
}
