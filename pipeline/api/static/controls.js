// The bar over the chart: which range of time is shown, how scores are scaled, and what can be taken along.

import { address } from "./api.js";
import { asked, lastOf } from "./asking.js";
import { h, heard } from "./dom.js";
import { inUtc, moment } from "./format.js";
import { href } from "./view.js";

const RANGES = [
  ["5m", "5 minutes"],
  ["15m", "15 minutes"],
  ["1h", "1 hour"],
  ["6h", "6 hours"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
];
const MOST_POINTS = 10_000;
/** In a file of values: what is drawn may be joined, what is taken along is not, up to five hours of segments. */
const WHOLE = { last: null, from: null, to: null };

/**
 * @param {import("./view.js").View} view
 * @param {{live: boolean, from: number, to: number}} shown
 * @param {{model: string, height: number | null}[]} variants
 * @param {(view: import("./view.js").View) => void} go
 * @returns {HTMLElement[]}
 */
export function controls(view, shown, variants, go) {
  const { live } = shown;
  const other = (change) => ({ ...view, ...change });
  const link = (change, text, told, current = false) =>
    h(
      "a",
      { href: href(other(change), live), "aria-current": current ? "true" : null, title: told },
      text,
      heard(` (${told})`),
    );
  const ranges = live
    ? RANGES.map(([last, told]) => link({ ...WHOLE, last }, last, `the last ${told}`, lastOf(view) === last))
    : [link(WHOLE, "Whole title", "from its begin to its end", view.from === null)];
  return [
    h("nav", { class: "ranges", "aria-label": "Range of time" }, ranges),
    h("div", { class: "steps" }, shift(-1, "←", "earlier"), custom(view, shown, go), shift(1, "→", "later")),
    h(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-pressed": String(view.fit),
        onclick: () => go(other({ fit: !view.fit })),
        title: "Fit the scale to the scores, instead of 0 to 100",
      },
      "Fit scale",
    ),
    variants.length > 1 ? chooser(view, variants, go) : null,
    h(
      "a",
      {
        class: "plain",
        href: address("series", { ...asked(view, live), points: MOST_POINTS, format: "csv" }),
        download: "rungwatch.csv",
      },
      "CSV",
    ),
  ].filter((part) => part !== null);

  function shift(sign, text, told) {
    const half = ((shown.to - shown.from) / 2) * sign;
    return link({ last: null, from: shown.from + half, to: shown.to + half }, text, `half a range ${told}`);
  }
}

/** Any range at all: opened where the present one is written. */
function custom(view, { live, from, to }, go) {
  const box = h(
    "details",
    { class: "custom" },
    h("summary", {}, view.from === null && live ? "From – to" : `${moment(from, live)} – ${moment(to, live)}`),
  );
  const kind = live ? { type: "datetime-local", step: 1 } : { type: "number", step: "any", min: 0 };
  const first = h("input", { ...kind, name: "from", required: true, value: entered(from, live) });
  const past = h("input", { ...kind, name: "to", required: true, value: entered(to, live) });
  const unit = live ? (inUtc() ? "UTC" : "local time") : "seconds";
  const form = h(
    "form",
    { onsubmit: submit },
    h("label", {}, `From (${unit})`, first),
    h("label", {}, `To (${unit})`, past),
    h("button", { type: "submit" }, "Show"),
  );
  box.append(form);
  return box;

  function submit(event) {
    event.preventDefault();
    const [begin, end] = [meant(first.value, live), meant(past.value, live)];
    past.setCustomValidity(begin < end ? "" : "The end must come after the begin");
    if (form.reportValidity()) go({ ...view, last: null, from: begin, to: end });
    past.setCustomValidity("");
  }
}

function entered(seconds, live) {
  if (!live) return seconds.toFixed(1);
  const date = new Date(seconds * 1000);
  const shown = inUtc() ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shown.toISOString().slice(0, 19);
}

function meant(text, live) {
  return live ? Date.parse(inUtc() ? `${text}Z` : text) / 1000 : Number(text);
}

function chooser(view, variants, go) {
  const chosen = variants.findIndex(({ model, height }) => model === view.model && height === view.height);
  const select = h(
    "select",
    { "aria-label": "Model and display height", onchange: () => go({ ...view, ...variants[select.value] }) },
    variants.map(({ model, height }, index) =>
      h("option", { value: index, selected: index === chosen }, `${model} at ${height} px`),
    ),
  );
  return select;
}
