// Small pictures of numbers inside tables: the line of one rung, and the bars of a whole ladder.

import { score, tone, word } from "./format.js";
import { s } from "./dom.js";
import { Series } from "./series.js";

const WIDTH = 132;
const HEIGHT = 26;
const COLUMNS = 66;
const LEAST_SPAN = 25;
const BAR = 7;
const GAP = 2;

export function sparkline() {
  const line = s("path", { class: "spark-line", fill: "none" });
  const wrong = s("path", { class: "spark-wrong", fill: "none" });
  const picture = s(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" },
    line,
    wrong,
  );
  return { picture, line, wrong };
}

/** Draws the means of `COLUMNS` equal parts of [from, to); parts with findings in red, empty ones as gaps. */
export function draw({ line, wrong }, rung, from, to, colour) {
  const sums = new Float64Array(COLUMNS);
  const counts = new Uint32Array(COLUMNS);
  const bad = new Uint8Array(COLUMNS);
  const [first, past] = Series.within(rung, from, to);
  const scale = COLUMNS / (to - from);
  for (let index = first; index < past; index++) {
    const begin = Math.max(0, Math.floor((rung.start[index] - from) * scale));
    const end = Math.min(COLUMNS - 1, Math.max(begin, Math.ceil((rung.end[index] - from) * scale) - 1));
    for (let column = begin; column <= end; column++) {
      sums[column] += rung.score[index];
      counts[column] += 1;
      if (rung.found[index]) bad[column] = 1;
    }
  }
  const [bottom, scaled] = heights(sums, counts);
  let [path, marks, open] = ["", "", false];
  for (let column = 0; column < COLUMNS; column++) {
    if (!counts[column]) {
      open = false;
      continue;
    }
    const x = ((column + 0.5) * WIDTH) / COLUMNS;
    const y = (HEIGHT - 2 - (sums[column] / counts[column] - bottom) * scaled).toFixed(1);
    path += open ? `L${x} ${y}` : `M${x - 0.5} ${y}h1`;
    if (bad[column]) marks += `M${x - 1} ${y}h2`;
    open = true;
  }
  line.setAttribute("d", path);
  line.setAttribute("stroke", colour);
  wrong.setAttribute("d", marks);
}

/** A course has the height of its own scores, but small changes stay small. @returns {[number, number]} */
function heights(sums, counts) {
  let [low, high] = [100, 0];
  for (let column = 0; column < COLUMNS; column++) {
    if (!counts[column]) continue;
    low = Math.min(low, sums[column] / counts[column]);
    high = Math.max(high, sums[column] / counts[column]);
  }
  const span = Math.max(high - low, LEAST_SPAN);
  const bottom = Math.min(Math.max(0, (low + high - span) / 2), 100 - span);
  return [bottom, (HEIGHT - 4) / span];
}

/** One bar a rung, the best first; its height is the score, and what is poor or bad is red. */
export function ladderBars(ladder) {
  const told = ladder.map(({ rendition_id: id, score: value }) => `${id} ${score(value)} ${word(value)}`).join(", ");
  const picture = s("svg", { class: "bars", role: "img", "aria-label": told, height: HEIGHT });
  picture.append(s("title", {}, told));
  fillBars(picture, ladder);
  return picture;
}

function fillBars(picture, ladder) {
  const width = Math.max(1, ladder.length) * (BAR + GAP) - GAP;
  picture.setAttribute("width", width);
  picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  ladder.forEach(({ score: value }, index) => {
    const height = Math.max(1.5, (value * HEIGHT) / 100);
    const x = index * (BAR + GAP);
    picture.append(
      s("rect", { x, y: 0, width: BAR, height: HEIGHT, rx: 1.5, class: "bar-room" }),
      s("rect", { x, y: HEIGHT - height, width: BAR, height, rx: 1.5, class: `bar-is ${tone(value)}` }),
    );
  });
}
