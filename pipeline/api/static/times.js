// Elements that show a moment: the clock that the reader chose, the other one in the tooltip.

import { age, inUtc, moment, momentTold } from "./format.js";
import { h } from "./dom.js";

/** @returns {HTMLElement} */
export function timeOf(seconds, live) {
  const attributes = { title: momentTold(seconds, live) };
  if (live) attributes.datetime = new Date(seconds * 1000).toISOString();
  return h(live ? "time" : "span", attributes, moment(seconds, live));
}

const DAY_SECONDS = 86_400;

/**
 * A sentence of the server, whose times of day are UTC, with them on the clock that the reader chose.
 * @param {number[]} near moments that it is about: a time of day is that of the day nearest to one of them
 */
export function onClock(text, near) {
  if (inUtc()) return text;
  return text.replace(/\b(\d\d):(\d\d):(\d\d) UTC\b/g, (_, hours, minutes, seconds) => {
    const ofDay = 3600 * hours + 60 * minutes + Number(seconds);
    const found = near.map((each) => ofDay + DAY_SECONDS * Math.round((each - ofDay) / DAY_SECONDS));
    const off = found.map((each, place) => Math.abs(each - near[place]));
    return moment(found[off.indexOf(Math.min(...off))], true);
  });
}

/** Which clock that is, for a heading. */
export const clockName = () => (inUtc() ? "UTC" : "local time");

const SILENT_SECONDS = 60;
/** So long without a new point, and a live stream is said to be silent. */

/** "4 s ago", or that it is silent. @returns {{text: string, silent: boolean}} */
export function freshness(seconds) {
  const silent = seconds > SILENT_SECONDS;
  return { text: silent ? `silent for ${age(seconds)}` : `${age(Math.max(0, seconds))} ago`, silent };
}
