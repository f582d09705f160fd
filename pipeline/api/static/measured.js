// How long the page takes, as entries of the browser's performance timeline: for the benchmark, and the curious.

const KEPT = 200;
let updates = 0;

/** The first chart, or the first rows, stand on the screen. */
export function drawn() {
  if (!performance.getEntriesByName("rungwatch:drawn").length) performance.mark("rungwatch:drawn");
}

/** Points begin to be put in their place. */
export function begin() {
  performance.clearMarks("rungwatch:points");
  performance.mark("rungwatch:points");
}

/** They stand on the screen. Entries are forgotten now and then, as a page may stay open for weeks. */
export function end() {
  if (updates++ % KEPT === 0) performance.clearMeasures("rungwatch:update");
  performance.measure("rungwatch:update", "rungwatch:points");
}
