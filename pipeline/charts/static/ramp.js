// Colours of the rungs from best to worst: one order of hue and lightness, which the colour-blind see too. No red in
// it, which is kept for what is wrong. The same stops as in the report (pipeline/report/chart_data.py).

import { isDark } from "./theme.js";

const STOPS = {
  light: [
    [58, 36, 130],
    [38, 99, 178],
    [16, 140, 140],
    [108, 152, 32],
    [196, 148, 0],
  ],
  dark: [
    [168, 152, 255],
    [96, 170, 245],
    [52, 200, 186],
    [168, 212, 84],
    [244, 208, 84],
  ],
};

/** @returns {string[]} one colour for each of `count` rungs, the best first */
export function ramp(count) {
  const stops = STOPS[isDark() ? "dark" : "light"];
  const last = stops.length - 1;
  return Array.from({ length: count }, (_, index) => {
    if (count === 1) return colour(stops[1]);
    // Few rungs take the first stops only: neighbours stay apart, and the palest are not needed.
    const place = (index * Math.min(last, count - 1)) / (count - 1);
    const low = Math.min(Math.floor(place), last - 1);
    return colour(stops[low].map((from, band) => from + (stops[low + 1][band] - from) * (place - low)));
  });
}

const colour = (bands) => `rgb(${bands.map(Math.round).join(" ")})`;
