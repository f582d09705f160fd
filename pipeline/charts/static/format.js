// How numbers, words, names and times are written: the same everywhere on the page, and as in the report.

const UTC_KEY = "rungwatch.utc";
const WORDS = [
  [80, "excellent"],
  [60, "good"],
  [40, "fair"],
  [20, "poor"],
];
export const WRONG_BELOW = 40;
/** Below this score (poor and bad) a number is shown as wrong. */

export function word(score) {
  for (const [least, name] of WORDS) if (score >= least) return name;
  return "bad";
}

/** "wrong", "middling" or "fine": how a score is coloured; the word always stands beside it. */
export function tone(score) {
  return score < WRONG_BELOW ? "wrong" : score < 60 ? "middling" : "fine";
}

/** Whole numbers: the interval is several points wide. A number never rounds into a better word. */
export function score(value) {
  if (value === null || value === undefined) return "–";
  const rounded = Math.round(value);
  return String(word(rounded) === word(value) ? rounded : Math.floor(value));
}

export function bitrate(bps) {
  if (bps === null || bps === undefined) return "–";
  if (bps >= 99.95e6) return `${(bps / 1e6).toFixed(0)} Mbit/s`;
  if (bps >= 999_500) return `${(bps / 1e6).toFixed(2)} Mbit/s`;
  return `${(bps / 1e3).toFixed(0)} kbit/s`;
}

export function count(number, noun, many = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : many}`;
}

/** A name from outside, without what would steer the text around it (controls, overrides of direction). */
export function name(text) {
  return String(text).replace(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, "\ufffd");
}

export const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

export function age(seconds) {
  if (seconds < 1.5) return "1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A length of time: "6 s", "2:05 min", "1:02:03 h". */
export function duration(seconds) {
  if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
  return `${mediaTime(seconds)} ${seconds >= 3600 ? "h" : "min"}`;
}

/** A place in a title: "0:06.4", "2:05", "1:02:03". */
export function mediaTime(seconds) {
  const sign = seconds < 0 ? "-" : "";
  const tenths = Math.round(Math.abs(seconds) * 10);
  const whole = Math.floor(tenths / 10);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = whole < 60 && tenths % 10 ? `.${tenths % 10}` : "";
  return hours ? `${sign}${hours}:${two(minutes)}:${two(rest)}` : `${sign}${minutes}:${two(rest)}${tail}`;
}

export function inUtc() {
  // A report is read in many places: it fixes the clock, whatever its reader chose on a page.
  if (document.documentElement.dataset.times === "utc") return true;
  try {
    return localStorage.getItem(UTC_KEY) === "1";
  } catch {
    return false;
  }
}

export function setUtc(utc) {
  try {
    localStorage.setItem(UTC_KEY, utc ? "1" : "0");
  } catch {
    // Storage is closed to us: it holds until the page is left.
  }
}

/** A moment of a stream's axis. Live: the clock, with the day where it is not today's; otherwise media time. */
export function moment(seconds, live) {
  if (!live) return mediaTime(seconds);
  const zone = inUtc() ? "UTC" : undefined;
  const date = new Date(seconds * 1000);
  const clock = date.toLocaleTimeString("en-GB", { timeZone: zone });
  const day = date.toLocaleDateString("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  const today = new Date(now() * 1000).toLocaleDateString("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  return day === today ? clock : `${day}, ${clock}`;
}

/** The other clock, for a tooltip: UTC where local time is shown, and the other way round. */
export function momentTold(seconds, live) {
  if (!live) return `${seconds.toFixed(3)} s into the title`;
  const date = new Date(seconds * 1000);
  return inUtc() ? `${date.toLocaleString("en-GB")} local time` : `${date.toISOString().replace(/\.000Z/, "Z")} (UTC)`;
}

let ahead = 0;

/**
 * Told the server's clock by every answer: a wall display with a wrong clock still shows the right "now".
 *
 * @param {string | null} dateHeader
 * @param {number} askedSeconds when it was asked for, by the clock of this machine
 */
export function serverSays(dateHeader, askedSeconds) {
  const server = Date.parse(dateHeader ?? "") / 1000;
  if (!Number.isFinite(server)) return;
  // The answer may have been on its way for all the time since: what that explains is no wrong clock.
  const least = server - Date.now() / 1000;
  const most = server - askedSeconds;
  ahead = least > 5 ? least : most < -5 ? most : 0;
}

/** Seconds since the epoch by the server's clock. */
export function now() {
  return Date.now() / 1000 + ahead;
}
