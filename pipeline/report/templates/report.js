// Draws the charts of the report from the data block of the page, with the modules that draw the live page.

import { TimeChart } from "./chart.js";
import { moment, name, score, short } from "./format.js";
import { Keys } from "./keys.js";
import { Legend } from "./legend.js";
import { Readout } from "./readout.js";
import { scatter } from "./scatter.js";
import { Series } from "./series.js";
import { isDark, onChange } from "./theme.js";

const LABEL_LENGTH = 13;
const DRAWN_AT_ONCE = 8;
/** A report of hundreds of streams draws what is looked at. */
const NEAR_PX = 600;
const PAPER_RATIO = 3;
/** Pixels of a canvas for one of the sheet: some 280 to the inch. */

/** When it was, for everyone who reads the report, wherever. */
const told = (seconds, live) => (live ? `${moment(seconds, true)} UTC` : moment(seconds, false));

/** One stream of the data block, its times on its axis. */
class Stream {
  constructor(data) {
    const on = (seconds) => data.origin + seconds;
    const spans = (list) => list.map(([start, end]) => [on(start), on(end)]);
    this.live = data.live;
    this.from = on(data.from);
    this.to = on(data.to);
    this.rungs = data.rungs.map(({ line, ...rung }) => ({
      ...rung,
      label: name(rung.label),
      worst: line.worst,
      worstAt: line.worst_at.map(on),
    }));
    // As the API answers: one value holds from its start as long as it lasts, and gaps are named.
    const renditions = data.rungs.map(({ rendition_id, line, skipped }) => ({
      ...line,
      rendition_id,
      start: line.start.map(on),
      ads: spans(data.ads),
      skipped: spans(skipped),
    }));
    this.series = new Series(
      { live: data.live, resolution: "raw", thinned: false, end_seconds: this.to, renditions },
      data.rungs.map((rung) => rung.rendition_id),
    );
    // A lane for every rung that has a problem, the best rung's on top.
    const lanes = [...new Set(data.marks.map((mark) => mark.rung))].sort((a, b) => a - b);
    this.lanes = Math.max(lanes.length, 1);
    this.marks = data.marks.map((mark) => ({
      ...mark,
      start: on(mark.start),
      end: on(mark.end),
      lane: lanes.indexOf(mark.rung),
    }));
  }

  /** The rungs as the charts take them, in the colours of the theme; those of `hidden` are left out. */
  drawn(hidden = new Set()) {
    return this.rungs
      .map((rung, place) => ({
        rung: this.series.rungs[place],
        colour: colourOf(rung),
        label: short(rung.label, LABEL_LENGTH),
        more: (index) => `worst ${score(rung.worst[index])} at ${this.#clock(rung.worstAt[index])}`,
        told: { mean: rung.mean, low: rung.low, high: rung.high, bitrate: rung.bitrate_bps },
        family: rung.codec,
        crossed: rung.inverted,
      }))
      .filter(({ rung }) => !hidden.has(rung.id));
  }

  /** What went wrong, of the rungs that are drawn. */
  marked(hidden) {
    return this.marks
      .filter(({ rung }) => rung === null || !hidden.has(this.rungs[rung].rendition_id))
      .map((mark) => ({
        ...mark,
        severity: "critical",
        colour: mark.rung === null ? undefined : colourOf(this.rungs[mark.rung]),
        shaded: true,
      }));
  }

  /** A moment without its day, which stands beside it already. */
  #clock(seconds) {
    return moment(seconds, this.live).split(", ").at(-1);
  }
}

const colourOf = (rung) => (isDark() ? rung.dark : rung.light);

/** Quality over time, with its legend, its readout and its keys. */
class OverTime {
  #stream;
  #chart;
  #readout;
  #legend;
  #hidden = new Set();
  #window;

  /** @param {HTMLElement} host @param {Stream} stream */
  constructor(host, stream) {
    this.#stream = stream;
    this.#window = { from: stream.from, to: stream.to };
    this.#chart = new TimeChart(host, { zoom: (span) => this.#zoom(span), hover: (...at) => this.#hover(...at) });
    this.#readout = new Readout(host, told);
    this.#legend = new Legend({ toggle: (id) => this.#toggle(id), focus: (id) => this.#chart.focus(id) });
    if (stream.rungs.length > 1) host.parentElement?.querySelector("figcaption")?.append(this.#legend.element);
    new Keys(host, {
      scene: () => this.#scene(),
      point: (seconds) => {
        this.#chart.pointAt(seconds);
        this.#readout.speak(this.#scene(), seconds);
      },
      zoom: (span) => this.#zoom(span),
      leave: () => this.#readout.hide(),
    });
    this.#layLegend();
    this.#draw();
  }

  restyle() {
    this.#readout.hide();
    this.#layLegend();
    this.#draw();
    this.#chart.restyle();
  }

  #scene() {
    const { series, lanes } = this.#stream;
    const [drawn, marks] = [this.#stream.drawn(this.#hidden), this.#stream.marked(this.#hidden)];
    return { series, drawn, marks, lanes, fit: false, intervals: true, ...this.#window };
  }

  #draw() {
    this.#chart.show(this.#scene());
  }

  #layLegend() {
    const rungs = this.#stream.rungs.map((rung) => ({ ...rung, id: rung.rendition_id, colour: colourOf(rung) }));
    this.#legend.lay(rungs);
    this.#showLegend();
  }

  #showLegend() {
    const means = this.#stream.rungs.map((rung) => [rung.rendition_id, { score: rung.mean }]);
    this.#legend.show(new Map(/** @type {[string, any][]} */ (means)), this.#hidden);
  }

  #toggle(id) {
    if (!this.#hidden.delete(id)) this.#hidden.add(id);
    this.#showLegend();
    this.#draw();
  }

  /** Shows a part of the whole; null: the whole. */
  #zoom(span) {
    const { from, to } = this.#stream;
    this.#window = span ? { from: Math.max(span.from, from), to: Math.min(span.to, to) } : { from, to };
    this.#draw();
  }

  #hover(seconds, at) {
    if (seconds === null) this.#readout.hide();
    else this.#readout.show(this.#scene(), seconds, at, this.#chart);
  }
}

/** Quality against bitrate, of the whole. */
class AgainstBitrate {
  #host;
  #stream;
  #width = 0;

  /** @param {HTMLElement} host @param {Stream} stream */
  constructor(host, stream) {
    this.#host = host;
    this.#stream = stream;
    new ResizeObserver(() => host.clientWidth !== this.#width && this.restyle()).observe(host);
    this.restyle();
  }

  restyle() {
    this.#width = this.#host.clientWidth;
    const { from, to } = this.#stream;
    this.#host.replaceChildren(scatter({ drawn: this.#stream.drawn(), from, to }, this.#width));
  }
}

const { streams: found } = JSON.parse(document.getElementById("data").textContent);
const streams = new Map();
const charts = new Map();

function draw(host) {
  if (charts.has(host)) return;
  const place = Number(host.dataset.stream);
  if (!streams.has(place)) streams.set(place, new Stream(found[place]));
  charts.set(host, new (host.dataset.chart === "time" ? OverTime : AgainstBitrate)(host, streams.get(place)));
}

const restyle = () => charts.forEach((chart) => chart.restyle());

const hosts = [...document.querySelectorAll("[data-chart]")];
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target);
    }
  },
  { rootMargin: `${NEAR_PX}px` },
);
hosts.forEach((host, number) => (number < DRAWN_AT_ONCE ? draw(host) : watcher.observe(host)));

onChange(restyle);
const screen = window.uPlot;
let paper = null;
addEventListener("beforeprint", () => {
  window.uPlot = paper ??= window.uPlotAt(PAPER_RATIO);
  document.documentElement.dataset.theme = "light";
  document.documentElement.classList.add("on-paper");
  restyle();
  hosts.forEach(draw);
});
addEventListener("afterprint", () => {
  window.uPlot = screen;
  delete document.documentElement.dataset.theme;
  document.documentElement.classList.remove("on-paper");
  restyle();
});
