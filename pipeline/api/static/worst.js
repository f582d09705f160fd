// The worst frames of the range, with their pictures: what a number alone does not show.

import { score, tone, word } from "./format.js";
import { h } from "./dom.js";
import { kind } from "./readout.js";
import { timeOf } from "./times.js";

const MOST = 8;
const APART_SECONDS = 60;

/** Of neighbours of one rung one only, with a picture where there is one: eight of one frozen frame say no more. */
export function distinct(segments) {
  const chosen = [];
  for (const each of segments) {
    const same = chosen.findIndex(
      (other) =>
        other.rendition_id === each.rendition_id && Math.abs(other.start_seconds - each.start_seconds) < APART_SECONDS,
    );
    if (same < 0) chosen.push(each);
    else if (each.picture && !chosen[same].picture) chosen[same] = each;
  }
  return chosen.slice(0, MOST);
}

/**
 * @param {any[]} segments of /api/v1/worst
 * @param {Map<string, {label: string, colour: string}>} rungs
 * @param {(from: number, to: number) => string} look the address of a span
 */
export function worstFrames(segments, rungs, live, look) {
  if (!segments.length) return h("p", { class: "empty" }, "No segment of this range is kept one by one.");
  const bare = segments.every((each) => !each.picture);
  return h(
    "div",
    {},
    h(
      "ol",
      { class: bare ? "frames bare" : "frames" },
      segments.map((each) => frame(each, rungs.get(each.rendition_id), live, look, bare)),
    ),
    bare &&
      h(
        "p",
        { class: "empty" },
        "No pictures are kept of this range: whoever scores keeps them, of the worst frames and for some days.",
      ),
  );
}

function frame(each, rung, live, look, bare) {
  const label = rung?.label ?? each.rendition_id;
  const end = each.start_seconds + (each.duration_seconds ?? 60);
  const value = each.worst_score ?? each.score;
  // The frame's own time may be on the media's clock, which is not the stream's.
  const when =
    each.worst_seconds >= each.start_seconds && each.worst_seconds <= end ? each.worst_seconds : each.start_seconds;
  const picture = each.picture
    ? h(
        "a",
        { href: each.picture, target: "_blank", rel: "noopener" },
        h("img", {
          src: each.picture,
          alt: `Worst frame of ${label}, score ${score(value)}`,
          loading: "lazy",
          decoding: "async",
        }),
      )
    : !bare && h("div", { class: "no-picture" }, "no picture kept");
  const figure = h(
    "figure",
    {},
    picture,
    h(
      "figcaption",
      {},
      h("span", { class: "rung" }, h("i", { class: "chip" }), h("span", {}, label)),
      h("span", { class: tone(value) }, h("b", {}, score(value)), ` ${word(value)}`),
      h("a", { href: look(each.start_seconds, end) }, timeOf(when, live)),
      each.findings?.length ? h("span", { class: "tag wrong" }, each.findings.map(kind).join(", ")) : null,
    ),
  );
  if (rung) {
    figure.style.setProperty("--rung", rung.colour);
    figure.querySelector(".chip").style.background = rung.colour;
  }
  return h("li", {}, figure);
}
