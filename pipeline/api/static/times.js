// Elements that show a moment: the clock that the reader chose, the other one in the tooltip.

import { age, moment, momentTold } from "./format.js";
import { h } from "./dom.js";

/** @returns {HTMLElement} */
export function timeOf(seconds, live) {
  const attributes = { title: momentTold(seconds, live) };
  if (live) attributes.datetime = new Date(seconds * 1000).toISOString();
  return h(live ? "time" : "span", attributes, moment(seconds, live));
}

const SILENT_SECONDS = 60;
/** So long without a new point, and a live stream is said to be silent. */

/** "4 s ago", or that it is silent. @returns {{text: string, silent: boolean}} */
export function freshness(seconds) {
  const silent = seconds > SILENT_SECONDS;
  return { text: silent ? `silent for ${age(seconds)}` : `${age(Math.max(0, seconds))} ago`, silent };
}
