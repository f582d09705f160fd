// The questions that a stream's page asks, in the words of the API.

import { ask } from "./api.js";
import { axisText, DEFAULT_LAST } from "./view.js";

const POINTS = 2000;
/** Of one rung: an hour of 2 s segments is shown one by one. */
const FIRST_POINTS = 300;
/** Of the first look: of an hour its minutes, which are there at once. */
const WORST = 60;
const FINDINGS = 100;
export const STREAMS = 100;
/** Of the fleet at once. */

export const lastOf = (view) => (view.from !== null ? null : (view.last ?? DEFAULT_LAST));

/** What is asked for of a view. `live` null: not known yet; the range of a title without bounds is left open. */
export function asked(view, live) {
  const common = { stream: view.stream, model: view.model, display_height: view.height };
  if (view.from !== null) return { ...common, from: axisText(view.from, live), to: axisText(view.to, live) };
  return live === false ? common : { ...common, last: lastOf(view) };
}

/** A page of the fleet. `after`: the cursor of the page before. */
export function askStreams({ search, sort }, signal, limit = STREAMS, after = null) {
  return ask("streams", { search, sort, limit, cursor: after }, signal);
}

/** The ladder as it stands. */
export function askLadder({ stream, model, height }, signal) {
  return ask("ladder", { stream, model, display_height: height }, signal);
}

/** The first look at a stream: its ladder, and its series in short. `isWhole`: there is no more to it. */
export async function askFirst(view, signal) {
  const [ladder, first] = await Promise.all([
    askLadder(view, signal),
    askSeries(view, null, signal, FIRST_POINTS),
  ]);
  // A title has no clock: without bounds it is shown from begin to end, and only now we know that it is one.
  const isCut = !ladder.live && view.from === null;
  const answer = isCut ? await askSeries(view, false, signal, FIRST_POINTS) : first;
  return { ladder, answer, isWhole: answer.resolution === "raw" && !answer.thinned };
}

/** The ladder as it stands, and the series of the range. */
export async function askRange(view, live, signal) {
  const [ladder, answer] = await Promise.all([askLadder(view, signal), askSeries(view, live, signal)]);
  return { ladder, answer, isWhole: true };
}

/** `live` as of `asked`. */
export function askSeries(view, live, signal, points = POINTS) {
  return ask("series", { ...asked(view, live), points }, signal);
}

/**
 * Models and display heights by which a stream was scored, each once.
 * @returns {Promise<{model: string, height: number}[]>}
 */
export async function askVariants(stream, signal) {
  const { renditions } = await ask("renditions", { stream }, signal);
  const found = new Map();
  for (const { model, display_height_px: height } of renditions.flatMap((each) => each.series)) {
    found.set(`${height} ${model}`, { model, height });
  }
  return [...found.values()];
}

/** What went wrong in [from, to), and what was noted. Findings and notes have the clock only. */
export async function askTroubles(view, { live, from, to }, signal) {
  const query = { stream: view.stream, ...bounds(view, live, from, to) };
  const [{ incidents }, { findings }, { annotations }] = await Promise.all([
    ask("incidents", query, signal),
    live ? ask("findings", { ...query, limit: FINDINGS }, signal) : { findings: [] },
    live ? ask("annotations", query, signal) : { annotations: [] },
  ]);
  return { incidents, findings, annotations };
}

export async function askWorst(view, { live, from, to }, signal) {
  const { stream, model, height } = view;
  const query = { stream, model, display_height: height, limit: WORST, ...bounds(view, live, from, to) };
  const { segments } = await ask("worst", query, signal);
  return segments;
}

function bounds(view, live, from, to) {
  if (!live && view.from === null) return {};
  return { from: axisText(from, live), to: axisText(to, live) };
}
