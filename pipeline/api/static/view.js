// The view as it stands in the address bar: what is shown can be pasted into a chat, and back goes back.

export const DEFAULT_LAST = "1h";
const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * @typedef {object} View
 * @property {string | null} stream null: the fleet
 * @property {string} search of the fleet
 * @property {string} sort of the fleet
 * @property {string | null} last "1h": the newest hour, moving with the clock
 * @property {number | null} from seconds on the stream's axis; both or none
 * @property {number | null} to
 * @property {string[]} hide renditions that are not drawn
 * @property {boolean} fit whether the axis of scores is fitted to them; otherwise it is 0 to 100
 * @property {string | null} model where a stream was scored by several
 * @property {number | null} height display height, likewise
 */

/** @returns {View} */
export function parsed(search) {
  const query = new URLSearchParams(search);
  const [from, to] = [onAxis(query.get("from")), onAxis(query.get("to"))];
  const bounded = from !== null && to !== null && from < to;
  const last = query.get("last");
  const height = Number(query.get("display_height"));
  return {
    stream: query.get("stream") || null,
    search: query.get("search") ?? "",
    sort: query.get("sort") ?? "worst",
    last: !bounded && last !== null && lastSeconds(last) ? last : null,
    from: bounded ? from : null,
    to: bounded ? to : null,
    hide: query.getAll("hide"),
    fit: query.get("scale") === "fit",
    model: query.get("model") || null,
    height: Number.isInteger(height) && height > 0 ? height : null,
  };
}

/** The address of a view. @param {Partial<View>} view @param {boolean} live whether its axis is the clock */
export function href(view, live = false) {
  const query = new URLSearchParams();
  const put = (name, value) => value !== null && value !== undefined && value !== "" && query.append(name, value);
  put("stream", view.stream);
  put("last", view.last);
  if (view.from !== null && view.from !== undefined) {
    put("from", axisText(view.from, live));
    put("to", axisText(view.to, live));
  }
  for (const id of view.hide ?? []) put("hide", id);
  if (view.fit) put("scale", "fit");
  put("model", view.model);
  put("display_height", view.height);
  if (!view.stream) {
    put("search", view.search);
    if (view.sort !== "worst") put("sort", view.sort);
  }
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

/** "90s", "30m", "6h", "7d" in seconds; 0: not a length. */
export function lastSeconds(text) {
  const found = /^(\d{1,6})([smhd])$/.exec(text ?? "");
  return found ? Number(found[1]) * UNITS[found[2]] : 0;
}

const AROUND = 2;
/** A link to a span shows this many times as much on either side, within these bounds. */
const LEAST_AROUND_SECONDS = 60;
const MOST_AROUND_SECONDS = 1800;

/** A span with what is around it. */
export function around(from, to) {
  const room = Math.min(Math.max((to - from) * AROUND, LEAST_AROUND_SECONDS), MOST_AROUND_SECONDS);
  return { from: Math.max(from - room, 0), to: to + room };
}

/** A place on the axis as the API takes it: a time, or seconds. */
export function axisText(seconds, live) {
  return live ? new Date(Math.round(seconds * 1000)).toISOString() : String(Math.round(seconds * 1000) / 1000);
}

function onAxis(text) {
  if (!text) return null;
  const seconds = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text) / 1000;
  return Number.isFinite(seconds) ? seconds : null;
}
