// Draws what happened beside the scores: ads as shaded spans, skipped segments, incidents and findings above the plot.

import { merged } from "./series.js";
import { placeX } from "./lines.js";

const LANE_PX = 18;
/** Above the plot, where incidents and findings have their lane. */
const NEXT_LANE_PX = 9;

/** What so many lanes take above the plot. */
export const lanesPx = (lanes = 1) => LANE_PX + (lanes - 1) * NEXT_LANE_PX;

/**
 * @typedef {object} Mark
 * @property {number} start seconds on the axis
 * @property {number | null} end null: it lasts
 * @property {"info" | "warning" | "critical"} severity
 * @property {string} text
 * @property {number} [lane] from above; the first where it is not said
 * @property {string} [colour] instead of that of its severity
 * @property {boolean} [shaded] whether the plot is shaded over its length
 */

/** Behind everything: ads, hatched, so that they are seen without colour too. */
export function drawAds(context, place, rungs, { ad, soft, font }) {
  for (const [start, end] of merged(rungs.flatMap(({ rung }) => rung.ads))) {
    const [left, right] = inside(place, start, end);
    if (right <= left) continue;
    context.save();
    context.beginPath();
    context.rect(left, place.top, right - left, place.height);
    context.clip();
    context.fillStyle = ad;
    context.globalAlpha = 0.13;
    context.fillRect(left, place.top, right - left, place.height);
    hatch(context, left, right, place.top, place.height, 9 * place.ratio, ad, 0.35 * place.ratio + 0.3);
    context.globalAlpha = 1;
    if (right - left > 26 * place.ratio) {
      context.font = font;
      context.fillStyle = soft;
      context.textAlign = "left";
      context.textBaseline = "alphabetic";
      context.fillText("ad", left + 5 * place.ratio, place.top + place.height - 8 * place.ratio);
    }
    context.restore();
  }
}

/** Behind the lines: the length of what went wrong. @param {Mark[]} marks */
export function drawShaded(context, place, marks, colour) {
  context.fillStyle = colour;
  context.globalAlpha = 0.07;
  const spans = marks.filter(({ shaded }) => shaded).map((mark) => [mark.start, mark.end ?? place.to]);
  for (const [start, end] of merged(/** @type {[number, number][]} */ (spans))) {
    const [left, right] = inside(place, start, end);
    if (right > left) context.fillRect(left, place.top, right - left, place.height);
  }
  context.globalAlpha = 1;
}

/** At the foot of the plot: live work that came too late and was not scored. */
export function drawSkipped(context, place, rungs, { advice }) {
  const height = 5 * place.ratio;
  const top = place.top + place.height - height;
  for (const [start, end] of merged(rungs.flatMap(({ rung }) => rung.skipped))) {
    const [left, right] = inside(place, start, end, 2 * place.ratio);
    if (right <= left) continue;
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, height);
    context.clip();
    context.fillStyle = advice;
    context.globalAlpha = 0.3;
    context.fillRect(left, top, right - left, height);
    hatch(context, left, right, top, height, 4 * place.ratio, advice, 1.2 * place.ratio);
    context.restore();
  }
}

/** Above the plot: a bar for what lasted, a diamond at its begin. @param {{marks: Mark[], lanes?: number}} given */
export function drawMarks(context, place, { marks, lanes }, colours) {
  const size = 4 * place.ratio;
  const weight = { info: 0, warning: 1, critical: 2 };
  for (const mark of [...marks].sort((a, b) => weight[a.severity] - weight[b.severity])) {
    const [left, right] = inside(place, mark.start, mark.end ?? place.to);
    if (right < left) continue;
    const middle = place.top - (lanesPx(lanes) - LANE_PX / 2 - (mark.lane ?? 0) * NEXT_LANE_PX) * place.ratio;
    context.fillStyle = mark.colour ?? colours[mark.severity] ?? colours.warning;
    context.globalAlpha = mark.colour ? 0.8 : 0.45;
    context.fillRect(left, middle - 1.5 * place.ratio, right - left, 3 * place.ratio);
    context.globalAlpha = 1;
    if (mark.start < place.from) continue;
    context.beginPath();
    context.moveTo(left, middle - size);
    context.lineTo(left + size, middle);
    context.lineTo(left, middle + size);
    context.lineTo(left - size, middle);
    context.fill();
  }
}

function inside(place, start, end, least = 0) {
  if (end < place.from || start > place.to) return [0, -1];
  const left = Math.max(place.left, placeX(place, start));
  return [left, Math.min(place.left + place.width, Math.max(placeX(place, end), left + least))];
}

function hatch(context, left, right, top, height, apart, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.globalAlpha = 0.55;
  context.beginPath();
  // Anchored to the axis of the canvas, so that the hatching stands still while the window moves.
  for (let x = Math.floor((left - height) / apart) * apart; x < right; x += apart) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
}
