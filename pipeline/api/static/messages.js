// What stands in the place of a chart that has nothing to draw, and what to do about it.

import { h } from "./dom.js";

const strong = (text) => h("p", {}, h("strong", {}, text));

export const waiting = () => [h("p", {}, "Waiting for an answer …")];

/** @param {string} before the address of the last range that has some */
export const noPoints = (before) => [
  strong("No points in this range."),
  h("p", {}, h("a", { href: before }, "See the hour up to the last point")),
];

/** @param {import("./api.js").Problem} problem for which asking again is of no use */
export function refused(problem) {
  if (problem.status !== 404) return [strong(problem.title), h("p", {}, problem.detail)];
  return [
    strong("No stream of this name has points."),
    h(
      "p",
      {},
      "It may be spelled otherwise, or its points have expired. ",
      h("a", { href: "/" }, "See all streams"),
      ", or score it: ",
      h("code", {}, "rungwatch watch PATH"),
    ),
  ];
}
