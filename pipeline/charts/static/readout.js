// What all rungs say at one instant: beside the cursor for those who see, as a sentence for those who listen.

import { bitrate, moment, name, score, tone, word } from "./format.js";
import { h } from "./dom.js";
import { Series } from "./series.js";

const BESIDE_PX = 16;

export class Readout {
  #box = h("div", { class: "readout", hidden: true });
  #spoken = h("p", { class: "heard", "aria-live": "polite" });
  #dots = [];

  #when;

  /** @param {HTMLElement} host of the chart @param {(seconds: number, live: boolean) => string} when it is, in words */
  constructor(host, when = moment) {
    host.append(this.#box, this.#spoken);
    this.host = host;
    this.#when = when;
  }

  hide() {
    this.#box.hidden = true;
    for (const dot of this.#dots) dot.hidden = true;
  }

  /** @param {import("./chart.js").Scene} scene @param {{left: number, width: number, offset: number}} at */
  show(scene, seconds, at, chart) {
    const held = valuesAt(scene, seconds);
    this.#box.replaceChildren(
      h("p", { class: "when" }, this.#when(seconds, scene.series.live)),
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          held.map((each) => row(each, scene.series)),
        ),
      ),
      ...happening(scene, seconds).map(({ severity, text }) => h("p", { class: `note ${severity}` }, text)),
    );
    this.#box.hidden = false;
    this.#move(at);
    this.#dot(held, at, chart);
  }

  /** Says the instant to a screen reader: only on the reader's own keys, or it would never be still. */
  speak(scene, seconds) {
    const told = valuesAt(scene, seconds).map(({ label, score: value }) =>
      value === null ? `${label} nothing` : `${label} ${score(value)} ${word(value)}`,
    );
    const notes = happening(scene, seconds).map(({ text }) => text);
    this.#spoken.textContent = `${this.#when(seconds, scene.series.live)}: ${[told.join(", "), ...notes].join(". ")}`;
  }

  #move({ left, width, offset }) {
    const own = this.#box.offsetWidth;
    const right = left + BESIDE_PX + own <= width + 80;
    const place = right ? left + BESIDE_PX : left - BESIDE_PX - own;
    const most = this.host.clientWidth - own - 4;
    this.#box.style.transform = `translateX(${Math.round(Math.min(Math.max(offset + place, 4), Math.max(most, 4)))}px)`;
  }

  #dot(held, { left }, chart) {
    while (this.#dots.length < held.length) this.#dots.push(h("i", { class: "dot-at", hidden: true }));
    this.#dots.forEach((dot, index) => {
      const each = held[index];
      dot.hidden = !each || each.score === null;
      if (dot.hidden) return;
      if (dot.parentNode !== chart.over) chart.over.append(dot);
      dot.style.background = each.colour;
      dot.style.transform = `translate(${left}px, ${chart.heightOf(each.score)}px)`;
    });
  }
}

function valuesAt({ drawn }, seconds) {
  return drawn.map(({ rung, colour, label, more }) => {
    const index = Series.at(rung, seconds);
    if (index < 0) return { label, colour, score: null };
    return {
      label,
      colour,
      score: rung.score[index],
      low: rung.low[index],
      high: rung.high[index],
      least: rung.least[index],
      bitrate: rung.bitrate[index],
      more: more?.(index),
    };
  });
}

function row(each, series) {
  const chip = h("td", {}, h("i", { class: "chip" }));
  chip.firstChild.style.background = each.colour;
  if (each.score === null)
    return h("tr", { class: "absent" }, chip, h("th", {}, each.label), h("td", { colspan: 5 }, "no value"));
  const spread = series.joined ? `least ${score(each.least)}` : `${score(each.low)}–${score(each.high)}`;
  return h(
    "tr",
    {},
    chip,
    h("th", { scope: "row" }, each.label),
    h("td", { class: `value ${tone(each.score)}` }, score(each.score)),
    h("td", { class: tone(each.score) }, word(each.score)),
    h("td", { class: "soft" }, spread),
    h("td", { class: "soft" }, bitrate(each.bitrate)),
    each.more && h("td", { class: "soft more" }, each.more),
  );
}

/** What else was the case then: an ad, skipped segments, findings, incidents. */
function happening({ drawn, marks, from, to }, seconds) {
  const notes = [];
  const near = (to - from) / 200;
  const has = (spans) => spans.some(([start, end]) => start <= seconds && seconds < end);
  if (drawn.some(({ rung }) => has(rung.ads))) notes.push({ severity: "info", text: "ad" });
  const skipped = drawn.filter(({ rung }) => has(rung.skipped)).map(({ label }) => label);
  if (skipped.length) notes.push({ severity: "warning", text: `skipped, too late to score: ${skipped.join(", ")}` });
  for (const { rung, label } of drawn) {
    const found = rung.found[Series.at(rung, seconds)];
    if (found) notes.push({ severity: "critical", text: `${label}: ${found.map(kind).join(", ")}` });
  }
  for (const mark of marks) {
    const end = mark.end === null ? Infinity : Math.max(mark.end, mark.start + near);
    if (mark.start - near <= seconds && seconds <= end) notes.push({ severity: mark.severity, text: name(mark.text) });
  }
  return notes.slice(0, 5);
}

/** A kind of finding in words: "reference_replaced" is read as "reference replaced". */
export const kind = (text) => name(text).replaceAll("_", " ");
