// Draws the lines of the rungs on a canvas: steps that hold as long as their segment, breaks, intervals, what is wrong.

import { Series } from "./series.js";

const LABEL_SPACE_PX = 14;

/**
 * Where things lie on the canvas.
 * @typedef {{left: number, top: number, width: number, height: number, ratio: number,
 *   from: number, to: number, low: number, high: number}} Place
 */

export const placeX = (place, seconds) => place.left + ((seconds - place.from) / (place.to - place.from)) * place.width;
export const placeY = (place, score) => place.top + ((place.high - score) / (place.high - place.low)) * place.height;

/** The line of the values [first, past). @returns {Path2D} */
function stepped(place, rung, values, first, past) {
  const path = new Path2D();
  for (let index = first; index < past; index++) {
    const x = placeX(place, rung.start[index]);
    const y = placeY(place, values[index]);
    if (index === first || Series.breaks(rung, index)) path.moveTo(x, y);
    else path.lineTo(x, y);
    path.lineTo(placeX(place, heldUntil(rung, index, past)), y);
  }
  return path;
}

/** The area between two columns of values. @returns {Path2D} */
function between(place, rung, lows, highs, first, past) {
  const path = new Path2D();
  for (let begin = first; begin < past;) {
    let end = begin + 1;
    while (end < past && !Series.breaks(rung, end)) end++;
    for (let index = begin; index < end; index++) {
      const y = placeY(place, highs[index]);
      path[index === begin ? "moveTo" : "lineTo"](placeX(place, rung.start[index]), y);
      path.lineTo(placeX(place, heldUntil(rung, index, end)), y);
    }
    for (let index = end - 1; index >= begin; index--) {
      const y = placeY(place, lows[index]);
      path.lineTo(placeX(place, heldUntil(rung, index, end)), y);
      path.lineTo(placeX(place, rung.start[index]), y);
    }
    path.closePath();
    begin = end;
  }
  return path;
}

function heldUntil(rung, index, past) {
  return index + 1 < past && !Series.breaks(rung, index + 1) ? rung.start[index + 1] : rung.end[index];
}

/** Behind the lines: from the least to the greatest where values are joined, and the interval of the rung looked at. */
export function drawSpreads(context, place, rungs, { joined, every = false, focus }) {
  for (const { rung, colour } of rungs) {
    const focused = rung.id === focus || rungs.length === 1;
    if (!joined && !every && !focused) continue;
    const [first, past] = Series.within(rung, place.from, place.to);
    const [lows, highs] = joined ? [rung.least, rung.greatest] : [rung.low, rung.high];
    context.globalAlpha = focused ? 0.22 : focus ? 0.04 : 0.1;
    context.fillStyle = colour;
    context.fill(between(place, rung, lows, highs, first, past));
  }
  context.globalAlpha = 1;
}

/** The lines themselves, the best on top; where something was found they are red, with a mark at its begin. */
export function drawLines(context, place, rungs, { focus, wrong }) {
  context.lineJoin = "round";
  for (const { rung, colour } of [...rungs].reverse()) {
    const [first, past] = Series.within(rung, place.from, place.to);
    context.globalAlpha = focus && rung.id !== focus ? 0.28 : 1;
    context.strokeStyle = colour;
    context.lineWidth = (rung.id === focus ? 2.4 : 1.5) * place.ratio;
    context.stroke(stepped(place, rung, rung.score, first, past));
    drawFound(context, place, rung, first, past, wrong);
  }
  context.globalAlpha = 1;
}

function drawFound(context, place, rung, first, past, wrong) {
  const size = 4.5 * place.ratio;
  for (let begin = first; begin < past; begin++) {
    if (!rung.found[begin]) continue;
    let end = begin + 1;
    while (end < past && rung.found[end] && !Series.breaks(rung, end)) end++;
    context.strokeStyle = context.fillStyle = wrong;
    context.lineWidth = 3 * place.ratio;
    context.stroke(stepped(place, rung, rung.score, begin, end));
    const [x, y] = [placeX(place, rung.start[begin]), placeY(place, rung.score[begin])];
    context.beginPath();
    context.moveTo(x, y - size * 1.2);
    context.lineTo(x + size, y + size * 0.7);
    context.lineTo(x - size, y + size * 0.7);
    context.fill();
    begin = end - 1;
  }
}

/** Names at the right end of the lines, moved apart where they would lie over each other. */
export function drawLabels(context, place, rungs, { ink, soft, focus, font }) {
  const labels = rungs
    .map(({ rung, colour, label }) => {
      const [first, past] = Series.within(rung, place.from, place.to);
      return first < past ? { colour, label, id: rung.id, y: placeY(place, rung.score[past - 1]) } : null;
    })
    .filter((label) => label !== null)
    .sort((a, b) => a.y - b.y);
  const space = LABEL_SPACE_PX * place.ratio;
  const top = place.top + 6 * place.ratio;
  const bottom = place.top + place.height - 4 * place.ratio;
  let above = top - space;
  for (const each of labels) above = each.at = Math.max(Math.min(each.y, bottom), above + space);
  let below = bottom + space;
  for (const each of [...labels].reverse()) below = each.at = Math.min(each.at, below - space);
  const left = place.left + place.width;
  context.font = font;
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const each of labels) {
    context.globalAlpha = focus && each.id !== focus ? 0.45 : 1;
    context.strokeStyle = each.colour;
    context.lineWidth = 1.5 * place.ratio;
    context.beginPath();
    context.moveTo(left + 2 * place.ratio, each.y);
    context.lineTo(left + 12 * place.ratio, each.at);
    context.lineTo(left + 18 * place.ratio, each.at);
    context.stroke();
    context.fillStyle = each.id === focus ? ink : soft;
    context.fillText(each.label, left + 22 * place.ratio, each.at);
  }
  context.globalAlpha = 1;
}
