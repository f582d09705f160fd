// What went wrong: incidents of the stream with their times, and what its playlists or manifests did.

import { duration, name, now } from "./format.js";
import { h } from "./dom.js";
import { kind } from "./readout.js";
import { clockName, onClock, timeOf } from "./times.js";

const MOST = 40;
/** Rows of one list; how many more there are is said below it. */
const SAME_SECONDS = 2;

/** Incidents, the newest first. @param {(from: number, to: number) => string} look the address of a span */
export function incidentList(incidents, live, look) {
  if (!incidents.length) return h("p", { class: "empty" }, "Nothing went wrong in this range.");
  const rows = [...incidents]
    .sort((a, b) => b.start_seconds - a.start_seconds)
    .map((each) => {
      const end = each.end_seconds ?? null;
      const length = each.duration_seconds ?? (end === null ? now() - each.start_seconds : end - each.start_seconds);
      return row({
        severity: each.severity,
        start: each.start_seconds,
        end,
        open: each.open,
        length,
        what: kind(each.cause),
        text: told(each),
        live,
        look,
      });
    });
  return list("incidents", "Incidents", rows, live);
}

/** Findings of playlists and manifests, the newest first. */
export function findingList(findings, look) {
  const rows = [...findings]
    .sort((a, b) => Date.parse(b.found_at) - Date.parse(a.found_at))
    .map((each) => {
      const start = Date.parse(each.found_at) / 1000;
      const end = each.over_at ? Date.parse(each.over_at) / 1000 : null;
      return row({
        severity: each.severity,
        start,
        end,
        open: each.open ?? end === null,
        length: end === null ? null : end - start,
        what: kind(each.kind),
        text:
          [each.rendition_id, each.cdn]
            .filter(Boolean)
            .map((part) => `${part}: `)
            .join("") + each.text,
        live: true,
        look,
      });
    });
  return list("findings", "Findings of the playlist or manifest", rows, true);
}

/** An incident in words. Of a title they name no clock. */
const told = ({ summary, start_seconds: start, end_seconds: end }) => onClock(summary, [start, end ?? now()]);

/** Incidents, findings that no incident tells, and notes, as marks. @returns {import("./marks.js").Mark[]} */
export function marksOf({ incidents, findings, annotations }) {
  const marks = incidents.map((each) => ({
    start: each.start_seconds,
    end: each.end_seconds ?? null,
    severity: each.severity,
    text: told(each),
  }));
  for (const each of findings) {
    const start = Date.parse(each.found_at) / 1000;
    if (marks.some((mark) => Math.abs(mark.start - start) < SAME_SECONDS)) continue;
    const end = each.over_at ? Date.parse(each.over_at) / 1000 : each.open ? null : start;
    marks.push({ start, end, severity: each.severity, text: each.text });
  }
  for (const each of annotations) {
    const start = Date.parse(each.start_at) / 1000;
    marks.push({ start, end: each.end_at ? Date.parse(each.end_at) / 1000 : start, severity: "info", text: each.text });
  }
  return marks;
}

function row({ severity, start, end, open, length, what, text, live, look }) {
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "when" },
      h("a", { href: look(start, end ?? start + Math.min(length ?? 60, 600)) }, timeOf(start, live)),
    ),
    h(
      "td",
      { class: "long" },
      open && live ? h("span", { class: "wrong" }, "open") : "",
      open && live && length ? " " : "",
      length ? h("span", { class: "soft" }, duration(length)) : "",
    ),
    h("td", {}, h("span", { class: `tag ${severity}` }, what), h("span", { class: "heard" }, ` (${severity})`)),
    h("td", { class: "text" }, name(text)),
  );
}

function list(className, caption, rows, live) {
  const more = rows.length - MOST;
  return h(
    "div",
    {},
    h(
      "table",
      { class: `troubles ${className}` },
      h("caption", { class: "heard" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          [live ? `When (${clockName()})` : "When", "How long", "What", "What it means"].map((text) => h("th", { scope: "col" }, text)),
        ),
      ),
      h("tbody", {}, rows.slice(0, MOST)),
    ),
    more > 0 ? h("p", { class: "soft" }, `and ${more} more: choose a shorter range to see them`) : null,
  );
}
