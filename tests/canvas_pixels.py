"""Reads the pixels of a chart on the live page or in a report."""

COLUMN = """(chart, [part, first, last]) => {
  const canvas = chart.querySelector("canvas"), over = chart.querySelector(".u-over");
  const [frame, plot] = [canvas.getBoundingClientRect(), over.getBoundingClientRect()];
  const ratio = canvas.width / frame.width;
  const x = Math.round((plot.left - frame.left + plot.width * part) * ratio);
  const [top, bottom] = [first, last].map((each) => Math.round((plot.top - frame.top + plot.height * each) * ratio));
  const pixels = canvas.getContext("2d").getImageData(x, top, 1, bottom - top).data;
  return Array.from({ length: pixels.length / 4 }, (_, at) => [...pixels.slice(4 * at, 4 * at + 4)]);
}"""
"""The pixels of one column of the plot, from a part of its height to another; above it is less than 0."""
