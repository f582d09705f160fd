// The points of one stream in a window of time, as lines of rungs: order, gaps, what holds at an instant, new points.

const GAP_STEPS = 1.5;
/** A line breaks where the next value starts later than this many durations of the last one: a segment is missing.
 * Where an answer names its gaps, it breaks there and nowhere else: values that join many segments hide small ones. */

/**
 * One line. All arrays have one length and are in order of time.
 * @typedef {object} Rung
 * @property {string} id
 * @property {number[]} start
 * @property {number[]} end where a value ends to hold: half-open, [start, end)
 * @property {number[]} score
 * @property {number[]} low
 * @property {number[]} high
 * @property {number[]} least
 * @property {number[]} greatest
 * @property {(number | null)[]} bitrate
 * @property {(string[] | null)[]} found findings of the pictures
 * @property {[number, number][]} ads
 * @property {[number, number][]} skipped
 * @property {Set<number> | null} gaps the values before which something is missing; null: told by the times
 */

export class Series {
  /** @param {any} answer of /api/v1/series @param {string[]} order rendition ids, the best first */
  constructor(answer, order) {
    this.live = answer.live;
    this.resolution = answer.resolution;
    this.thinned = answer.thinned;
    // What was joined holds as long as its step, however much of that was scored; a segment as long as it lasts.
    const step = this.joined ? answer.step_seconds : 0;
    /** @type {Rung[]} */
    this.rungs = answer.renditions.map((each) => rungOf(each, step, answer.end_seconds));
    const place = (rung) => (order.includes(rung.id) ? order.indexOf(rung.id) : order.length);
    this.rungs.sort((a, b) => place(a) - place(b));
  }

  get empty() {
    return this.rungs.every((rung) => rung.start.length === 0);
  }

  get startSeconds() {
    return Math.min(...this.rungs.filter((rung) => rung.start.length).map((rung) => rung.start[0]));
  }

  get endSeconds() {
    return Math.max(...this.rungs.filter((rung) => rung.end.length).map((rung) => rung.end.at(-1)));
  }

  /** Whether a value is of several segments, with a least and a greatest among them. */
  get joined() {
    return this.thinned || this.resolution !== "raw";
  }

  /** Whether single points can stand beside what is here: minutes and hours are asked for anew instead. */
  get takesPoints() {
    return this.resolution === "raw";
  }

  /** Puts a point of the live feed in its place. @returns {boolean} false: its rung is not here */
  add(point) {
    const rung = this.rungs.find((each) => each.id === point.rendition_id);
    if (!rung) return false;
    const end = point.start_seconds + point.duration_seconds;
    const at = lowerBound(rung.start, point.start_seconds);
    // A repeat, and a correction by newer weights, overwrite what is there.
    const replaced = rung.start[at] === point.start_seconds ? 1 : 0;
    const put = (list, value) => list.splice(at, replaced, value);
    put(rung.start, point.start_seconds);
    put(rung.end, end);
    put(rung.score, point.score);
    put(rung.low, point.low);
    put(rung.high, point.high);
    put(rung.least, point.score);
    put(rung.greatest, point.score);
    put(rung.bitrate, point.bitrate_bps ?? null);
    put(rung.found, point.findings?.length ? point.findings : null);
    if (point.label === "ad") lengthen(rung.ads, point.start_seconds, end);
    return true;
  }

  /** Forgets what ended before `seconds`, so that a page that stays open does not grow. */
  trim(seconds) {
    for (const rung of this.rungs) {
      const gone = upperBound(rung.end, seconds);
      // Now and then: to take one value off the front moves all others.
      if (gone < 64 && gone < rung.start.length) continue;
      for (const list of columns(rung)) list.splice(0, gone);
      rung.ads = rung.ads.filter(([, end]) => end > seconds);
      rung.skipped = rung.skipped.filter(([, end]) => end > seconds);
    }
  }

  /** The values in [from, to) that a rung has. @returns {[number, number]} indices, half-open */
  static within(rung, from, to) {
    return [upperBound(rung.end, from), lowerBound(rung.start, to)];
  }

  /** Whether the line breaks before value `index`. */
  static breaks(rung, index) {
    if (index === 0) return true;
    if (rung.gaps) return rung.gaps.has(index);
    const last = rung.start[index - 1];
    return rung.start[index] - last > GAP_STEPS * (rung.end[index - 1] - last) + 0.01;
  }

  /** Which value of a rung holds at an instant; -1: none does. */
  static at(rung, seconds) {
    const index = upperBound(rung.start, seconds) - 1;
    if (index < 0) return -1;
    const next =
      index + 1 < rung.start.length && !Series.breaks(rung, index + 1) ? rung.start[index + 1] : rung.end[index];
    return seconds < next || seconds <= rung.end[index] ? index : -1;
  }

  /** What a rung was like in [from, to); null: nothing is there. */
  static told(rung, from, to) {
    const [first, past] = Series.within(rung, from, to);
    if (first >= past) return null;
    let [weight, sum, lows, highs, bits, bitWeight, worst] = [0, 0, 0, 0, 0, 0, first];
    for (let index = first; index < past; index++) {
      const seconds = Math.max(rung.end[index] - rung.start[index], 1e-3);
      weight += seconds;
      sum += rung.score[index] * seconds;
      lows += rung.low[index] * seconds;
      highs += rung.high[index] * seconds;
      if (rung.bitrate[index] !== null) {
        bits += rung.bitrate[index] * seconds;
        bitWeight += seconds;
      }
      if (rung.least[index] < rung.least[worst]) worst = index;
    }
    return {
      mean: sum / weight,
      low: lows / weight,
      high: highs / weight,
      bitrate: bitWeight ? bits / bitWeight : null,
      least: rung.least[worst],
      leastSeconds: rung.start[worst],
      leastEnd: rung.end[worst],
    };
  }

  /** Of a title nothing is the latest: its rungs are worth their mean. @param {Map<string, any>} points by rung */
  means(points) {
    const found = new Map(points);
    for (const rung of this.rungs) {
      const told = Series.told(rung, -Infinity, Infinity);
      if (!told) continue;
      const { mean: score, low, high, bitrate: bitrate_bps } = told;
      found.set(rung.id, {
        ...points.get(rung.id),
        rendition_id: rung.id,
        score,
        low,
        high,
        bitrate_bps,
        findings: [],
        label: "program",
      });
    }
    return found;
  }

  /** The starts of values beside an instant, of any rung: where the arrow keys go. */
  neighbour(seconds, steps, hidden = new Set()) {
    let at = seconds;
    for (let left = Math.abs(steps); left > 0; left--) {
      let best = null;
      for (const rung of this.rungs) {
        if (hidden.has(rung.id)) continue;
        const index = steps > 0 ? upperBound(rung.start, at + 1e-6) : lowerBound(rung.start, at - 1e-6) - 1;
        const start = rung.start[index];
        if (start !== undefined && (best === null || (steps > 0 ? start < best : start > best))) best = start;
      }
      if (best === null) break;
      at = best;
    }
    return at;
  }
}

/** Spans that touch or overlap are one. @param {[number, number][]} spans @returns {[number, number][]} */
export function merged(spans, apart = 0.05) {
  const result = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && start <= last[1] + apart) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}

/** The first index whose value is not less than `wanted`. */
export function lowerBound(sorted, wanted) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first index whose value is greater than `wanted`. */
export function upperBound(sorted, wanted) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function rungOf(each, step, end) {
  const found = Array(each.start.length).fill(null);
  for (const [index, kinds] of each.findings ?? []) found[index] = kinds;
  return {
    id: each.rendition_id,
    start: [...each.start],
    end: each.start.map((start, index) => start + Math.max(each.duration[index], Math.min(step, end - start))),
    score: [...each.score],
    low: [...each.low],
    high: [...each.high],
    least: [...(each.least ?? each.score)],
    greatest: [...(each.greatest ?? each.score)],
    bitrate: [...each.bitrate_bps],
    found,
    ads: merged(each.ads ?? []),
    skipped: merged(each.skipped ?? []),
    gaps: each.gaps ? new Set(each.gaps) : null,
  };
}

const columns = (rung) => [
  ...[rung.start, rung.end, rung.score, rung.low, rung.high],
  ...[rung.least, rung.greatest, rung.bitrate, rung.found],
];

function lengthen(spans, start, end) {
  const last = spans.at(-1);
  if (last && start <= last[1] + 0.05 && start >= last[0]) last[1] = Math.max(last[1], end);
  else spans.push([start, end]);
}
