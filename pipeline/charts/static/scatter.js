// Quality against bitrate: one place a rung with its interval, its segments as a cloud, the ladder as a line.

import { bitrate, name, score, word } from "./format.js";
import { h, s } from "./dom.js";
import { Series } from "./series.js";

const HEIGHT = 318;
const MOST_WIDTH = 620;
const ROOM = { left: 34, right: 20, top: 12, bottom: 34 };
const CLOUD = 80;
/** Segments of one rung that are shown, evenly taken. */
const TICKS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4.5, 7, 10, 15, 25, 40, 60];
const TICK_APART_PX = 46;
const LABEL_APART_PX = 13;
const LABEL_WIDE_PX = 44;

/**
 * A rung that is drawn may bring what it is worth (`told`), a family, whose rungs alone are joined, and `crossed`:
 * it looks worse than a cheaper one.
 * @param {import("./chart.js").Scene} scene @param {number} room pixels there are @returns {Node}
 */
export function scatter({ drawn, from, to }, room) {
  const width = Math.min(Math.max(room, 200), MOST_WIDTH);
  const places = drawn
    .map((each) => ({ ...each, told: each.told ?? Series.told(each.rung, from, to) }))
    .filter(({ told }) => told !== null && told.bitrate);
  if (!places.length) return h("p", { class: "empty" }, "No bitrate is known of these segments.");
  const rates = places.flatMap(({ rung, told }) => [told.bitrate, ...cloud(rung, from, to).map(([rate]) => rate)]);
  const low = Math.log(Math.min(...rates) / 1.15);
  const high = Math.log(Math.max(...rates) * 1.15);
  const x = (bps) => ROOM.left + ((Math.log(bps) - low) / (high - low)) * (width - ROOM.left - ROOM.right);
  const y = (value) => ROOM.top + ((100 - value) / 100) * (HEIGHT - ROOM.top - ROOM.bottom);
  const told = places.map(
    ({ label, crossed, told: { mean, bitrate: bps } }) =>
      `${label}: ${score(mean)} ${word(mean)} at ${bitrate(bps)}${crossed ? ", worse than a cheaper rung" : ""}`,
  );
  return s(
    "svg",
    {
      width,
      height: HEIGHT,
      viewBox: `0 0 ${width} ${HEIGHT}`,
      class: "scatter",
      role: "img",
      "aria-label": `Quality against bitrate. ${told.join("; ")}`,
    },
    grid(x, y, low, high, width),
    families(places).map((family) =>
      s("path", {
        class: "curve",
        d: family
          .map(({ told: t }, i) => `${i ? "L" : "M"}${x(t.bitrate).toFixed(1)} ${y(t.mean).toFixed(1)}`)
          .join(""),
      }),
    ),
    places.map(({ rung, colour }) =>
      s("path", {
        class: "cloud",
        stroke: colour,
        d: cloud(rung, from, to)
          .map(([rate, value]) => `M${x(rate).toFixed(1)} ${y(value).toFixed(1)}h0`)
          .join(""),
      }),
    ),
    places.map((each) => place(each, x, y)),
    labels(places, x, y, width),
  );
}

/** Rungs that are joined by a line. On the page a ladder is one family, in its own order. */
function families(places) {
  const found = new Map();
  for (const each of places) found.set(each.family, [...(found.get(each.family) ?? []), each]);
  for (const [family, rungs] of found) if (family !== undefined) rungs.sort((a, b) => a.told.bitrate - b.told.bitrate);
  return [...found.values()];
}

function cloud(rung, from, to) {
  const [first, past] = Series.within(rung, from, to);
  const step = Math.max(1, Math.ceil((past - first) / CLOUD));
  const result = [];
  for (let index = first; index < past; index += step) {
    if (rung.bitrate[index]) result.push([rung.bitrate[index], rung.score[index]]);
  }
  return result;
}

function grid(x, y, low, high, width) {
  const parts = [];
  for (let value = 0; value <= 100; value += 20) {
    parts.push(
      s("path", { class: "grid", d: `M${ROOM.left} ${y(value)}H${width - ROOM.right}` }),
      s("text", { class: "tick", x: ROOM.left - 7, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    );
  }
  let last = -Infinity;
  for (const tick of TICKS) {
    const at = Math.log(tick * 1e6);
    if (at < low || at > high || x(tick * 1e6) - last < TICK_APART_PX) continue;
    last = x(tick * 1e6);
    parts.push(
      s("path", { class: "grid", d: `M${last} ${ROOM.top}V${HEIGHT - ROOM.bottom}` }),
      s("text", { class: "tick", x: last, y: HEIGHT - ROOM.bottom + 16, "text-anchor": "middle" }, String(tick)),
    );
  }
  parts.push(s("text", { class: "tick", x: width - ROOM.right, y: HEIGHT - 3, "text-anchor": "end" }, "Mbit/s"));
  return s("g", {}, parts);
}

function place({ colour, label, told, crossed }, x, y) {
  const [left, top] = [x(told.bitrate), y(told.mean)];
  return s(
    "g",
    {},
    s("path", {
      class: "interval",
      stroke: colour,
      d: `M${left} ${y(told.low)}V${y(told.high)}m-4 0h8M${left - 4} ${y(told.low)}h8`,
    }),
    s("circle", { cx: left, cy: top, r: 5, fill: colour, class: "spot" }),
    crossed && s("path", { class: "cross", d: `M${left - 7} ${top - 7}l14 14m0 -14l-14 14` }),
    s(
      "title",
      {},
      `${label}: ${score(told.mean)} ${word(told.mean)}, ${score(told.low)}–${score(told.high)}, ` +
        `${bitrate(told.bitrate)}${crossed ? ", looks worse than a cheaper rung" : ""}`,
    ),
  );
}

/** Names below the intervals, moved down where they would touch. */
function labels(places, x, y, width) {
  const taken = [];
  return places.map(({ label, told, crossed }) => {
    const left = Math.min(Math.max(x(told.bitrate), ROOM.left + 20), width - 22);
    let top = y(told.low) + 15;
    const clashes = () =>
      taken.some(([l, t]) => Math.abs(l - left) < LABEL_WIDE_PX && Math.abs(t - top) < LABEL_APART_PX);
    for (let tries = 0; clashes() && tries < 8; tries++) top += LABEL_APART_PX;
    taken.push([left, top]);
    return s(
      "text",
      {
        class: crossed ? "name crossed" : "name",
        x: left,
        y: Math.min(top, HEIGHT - ROOM.bottom - 4),
        "text-anchor": "middle",
      },
      crossed ? `${name(label)} ✕` : name(label),
    );
  });
}
