// Where everything of a stream's page stands, before anything is known of the stream.

import { h } from "./dom.js";
import { name } from "./format.js";

const KEYS =
  "Arrow keys move from segment to segment and read out all rungs, with Shift ten at a time. " +
  "Plus and minus zoom, Escape shows the whole range again.";

/**
 * @param {string} stream
 * @param {{facts: Node, legend: Node, ladder: Node}} given elements of others that have their place here
 * @returns {{sections: Node[], controls: HTMLElement, chart: HTMLElement, told: HTMLElement, message: HTMLElement,
 *   scatter: HTMLElement, incidents: HTMLElement, findings: HTMLDetailsElement, worst: HTMLElement}}
 */
export function layout(stream, { facts, legend, ladder }) {
  const parts = {
    controls: h("div", { class: "controls" }),
    chart: h("div", {
      class: "chart",
      tabindex: 0,
      role: "group",
      "aria-roledescription": "chart",
      "aria-label": "Quality over time",
      "aria-describedby": "chart-told chart-keys",
    }),
    told: h("p", { class: "heard", id: "chart-told" }),
    message: h("div", { class: "message", hidden: true }),
    scatter: h("div", { class: "scatter-host" }),
    incidents: h("div"),
    findings: h("details", { class: "more", hidden: true }),
    worst: h("div"),
  };
  const sections = [
    h("div", { class: "headline" }, h("h1", {}, name(stream)), facts),
    h(
      "section",
      { class: "panel over-time", "aria-label": "Quality over time" },
      h("div", { class: "panel-head" }, h("h2", {}, "Quality over time"), parts.controls),
      legend,
      h("div", { class: "chart-frame" }, parts.chart, parts.message),
      parts.told,
      h("p", { class: "heard", id: "chart-keys" }, KEYS),
    ),
    h(
      "div",
      { class: "pair" },
      panel(
        "ladder-panel",
        "Ladder",
        h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of the ladder" }, ladder),
      ),
      panel("rate-panel", "Quality against bitrate", parts.scatter),
    ),
    panel("trouble-panel", "What went wrong", parts.incidents, parts.findings),
    panel("worst-panel", "Worst frames", parts.worst),
  ];
  return { sections, ...parts };
}

function panel(className, title, ...content) {
  return h("section", { class: `panel ${className}`, "aria-label": title }, h("h2", {}, title), ...content);
}
