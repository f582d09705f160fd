// The chart of quality over time: uPlot gives axes, cursor and selection; lines.js and marks.js draw what is between.

import { inUtc, mediaTime } from "./format.js";
import { drawLabels, drawLines, drawSpreads, placeY } from "./lines.js";
import { drawAds, drawMarks, drawShaded, drawSkipped, lanesPx } from "./marks.js";
import { palette } from "./theme.js";

/** Looked up anew: on paper it is another one, of more pixels. */
const library = () => /** @type {any} */ (window).uPlot;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const NARROW_PX = 560;
/** Below this width the names at the ends of the lines are left out: the legend has them. */
const LABEL_PX = 92;
const LEADER_PX = 26;
/** From the plot to the name. */
const HALF_TICK_PX = 17;
/** The last time on the axis may stand at its very end. */
const WORDS_PX = 66;
/** Left of the plot: the scale, and the words between its lines. */
const LEAST_SPAN_SECONDS = 2;
/** @type {[number, number, string][]} */
const WORDS = [
  [80, 100, "excellent"],
  [60, 80, "good"],
  [40, 60, "fair"],
  [20, 40, "poor"],
  [0, 20, "bad"],
];
const WORD_ROOM_PX = 34;
// least increment, default, and what is added where a year, day or minute begins; the last: 1 adds, 0 replaces
const CLOCK_TICKS = [
  [86_400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [0.001, "{HH}:{mm}:{ss}.{fff}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];
const MEDIA_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 36_000];

/**
 * One rung of it; `more`: what a readout tells beside the score of a value.
 * @typedef {{rung: import("./series.js").Rung, colour: string, label: string, more?: (index: number) => string}} Drawn
 */

/**
 * What is drawn.
 * @typedef {object} Scene
 * @property {import("./series.js").Series} series
 * @property {Drawn[]} drawn the best first, none hidden
 * @property {number} from
 * @property {number} to
 * @property {boolean} fit
 * @property {import("./marks.js").Mark[]} marks
 * @property {number} [lanes] of marks above the plot, one below the other; one where it is not said
 * @property {boolean} [intervals] whether the interval of every rung is shown, not only of the one looked at
 */

export class TimeChart {
  #host;
  #on;
  #plot = null;
  #live = null;
  /** @type {Scene | null} */
  #scene = null;
  #focus = null;
  #colours = palette();
  #afterDraw = [];
  #watch;

  /** @param {HTMLElement} host @param {{zoom: Function, hover: Function}} on */
  constructor(host, on) {
    this.#host = host;
    this.#on = on;
    this.#watch = new ResizeObserver(() => this.#resize());
    this.#watch.observe(host);
  }

  /** Draws a scene; `then` is called when it stands on the canvas. @param {Scene} scene */
  show(scene, then = null) {
    const moved = !this.#scene || this.#scene.from !== scene.from || this.#scene.to !== scene.to;
    const refitted = this.#scene?.fit !== scene.fit;
    this.#scene = scene;
    if (then) this.#afterDraw.push(then);
    if (!this.#plot || this.#live !== scene.series.live || refitted) this.restyle();
    else if (moved || scene.fit) {
      this.#plot.batch(() => {
        this.#plot.setScale("x", { min: scene.from, max: scene.to });
        this.#plot.setScale("y", { min: 0, max: 100 });
        this.#plot.redraw(true, true);
      });
    } else this.#plot.redraw(true);
  }

  /** Lets one line stand out; null: none. */
  focus(id) {
    if (id === this.#focus) return;
    this.#focus = id;
    this.#plot?.redraw(true);
  }

  /** Starts anew: another theme, another clock, another kind of axis. */
  restyle() {
    if (!this.#scene) return;
    this.#colours = palette();
    this.#live = this.#scene.series.live;
    this.#plot?.destroy();
    this.#plot = new (library())(
      this.#options(),
      [
        [this.#scene.from, this.#scene.to],
        [null, null],
      ],
      this.#host,
    );
    this.#plot.over.addEventListener("pointermove", (event) => this.#touched(event));
  }

  /** Puts the cursor at a moment, as the arrow keys do. */
  pointAt(seconds) {
    if (!this.#plot) return;
    const left = this.#plot.valToPos(seconds, "x");
    this.#plot.setCursor({ left, top: this.#plot.over.clientHeight / 2 }, false);
    this.#on.hover(seconds, this.#inside(left));
  }

  /** Where a score lies inside the plot, in CSS pixels. */
  heightOf(score) {
    return this.#plot.valToPos(score, "y");
  }

  /** The element above the plot, which takes dots. */
  get over() {
    return this.#plot.over;
  }

  close() {
    this.#watch.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #options() {
    const live = this.#live;
    const axis = {
      stroke: this.#colours("soft"),
      font: `12px ${FONT}`,
      grid: { stroke: this.#colours("grid"), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.#size(),
      padding: [lanesPx(this.#scene.lanes) + 2, this.#labelsPx(), 0, 0],
      legend: { show: false },
      tzDate: inUtc() ? (seconds) => library().tzDate(new Date(seconds * 1000), "Etc/UTC") : undefined,
      series: [{}, { show: false }],
      scales: {
        x: { time: live, range: () => [this.#scene.from, this.#scene.to] },
        y: { range: () => this.#heights() },
      },
      axes: [
        {
          ...axis,
          space: 78,
          gap: 8,
          ...(live
            ? { size: 44, values: CLOCK_TICKS }
            : { size: 28, incrs: MEDIA_STEPS, values: (_, seconds) => seconds.map((each) => mediaTime(each)) }),
        },
        {
          ...axis,
          size: this.#host.clientWidth < NARROW_PX ? 38 : WORDS_PX,
          gap: 6,
          incrs: this.#scene.fit ? [1, 2, 5, 10, 20] : [20],
          space: 30,
          values: (_, scores) => scores.map((each) => (each < 0 || each > 100 ? "" : String(each))),
        },
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        bind: { dblclick: () => () => this.#on.zoom(null) },
      },
      hooks: {
        setSelect: [(plot) => this.#selected(plot)],
        setCursor: [(plot) => this.#hovered(plot)],
        drawClear: [() => this.#drawBehind()],
        draw: [() => this.#drawBefore()],
      },
    };
  }

  #size() {
    return { width: Math.max(this.#host.clientWidth, 200), height: Math.max(this.#host.clientHeight, 160) };
  }

  /** What the names at the ends of the lines take; short ones take the same, so that charts stand in line. */
  #labelsPx() {
    if (this.#host.clientWidth < NARROW_PX) return HALF_TICK_PX;
    const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
    context.font = this.#font(1);
    const widths = this.#scene.drawn.map(({ label }) => context.measureText(label).width);
    return Math.ceil(Math.max(LABEL_PX, LEADER_PX + Math.max(0, ...widths)));
  }

  #resize() {
    if (!this.#plot) return;
    const { width, height } = this.#size();
    if (width === this.#plot.width && height === this.#plot.height) return;
    const narrow = width < NARROW_PX;
    if (narrow !== this.#plot.width < NARROW_PX) this.restyle();
    else this.#plot.setSize({ width, height });
  }

  /** Zero to a hundred, or as much of it as the lines need. */
  #heights() {
    const { fit, drawn, from, to } = this.#scene;
    if (!fit) return [0, 100];
    let [low, high] = [100, 0];
    for (const { rung } of drawn) {
      for (let index = 0; index < rung.start.length; index++) {
        if (rung.end[index] <= from || rung.start[index] >= to) continue;
        low = Math.min(low, rung.least[index]);
        high = Math.max(high, rung.greatest[index]);
      }
    }
    if (low > high) return [0, 100];
    const room = Math.max((high - low) * 0.08, 1);
    return [Math.max(0, Math.floor(low - room)), Math.min(100, Math.ceil(high + room))];
  }

  #place() {
    const { left, top, width, height } = this.#plot.bbox;
    const { min: low, max: high } = this.#plot.scales.y;
    const { from, to } = this.#scene;
    const ratio = this.#plot.ctx.canvas.width / this.#plot.width;
    return { left, top, width, height, low, high, from, to, ratio };
  }

  /** The line that stands out; of a hidden one the others must not step back. */
  get #focused() {
    return this.#scene.drawn.some(({ rung }) => rung.id === this.#focus) ? this.#focus : null;
  }

  #font(ratio, pixels = 12) {
    return `${pixels * ratio}px ${FONT}`;
  }

  #drawBehind() {
    const [context, place] = [this.#plot.ctx, this.#place()];
    const { drawn, series, marks, intervals } = this.#scene;
    const colours = { ad: this.#colours("ad"), soft: this.#colours("soft"), font: this.#font(place.ratio, 11) };
    context.save();
    drawAds(context, place, drawn, colours);
    drawShaded(context, place, marks, this.#colours("wrong"));
    this.#drawWords(context, place);
    this.#clip(context, place);
    drawSpreads(context, place, drawn, { joined: series.joined, every: intervals, focus: this.#focused });
    context.restore();
  }

  #drawBefore() {
    const [context, place] = [this.#plot.ctx, this.#place()];
    const { drawn, marks, lanes } = this.#scene;
    const [ink, soft, wrong, advice] = ["ink", "soft", "wrong", "advice"].map(this.#colours);
    context.save();
    this.#clip(context, place);
    drawLines(context, place, drawn, { focus: this.#focused, wrong });
    drawSkipped(context, place, drawn, { advice });
    context.restore();
    context.save();
    drawMarks(context, place, { marks, lanes }, { critical: wrong, warning: advice, info: soft });
    if (this.#plot.width >= NARROW_PX) {
      drawLabels(context, place, drawn, { ink, soft, focus: this.#focused, font: this.#font(place.ratio) });
    }
    context.restore();
    for (const then of this.#afterDraw.splice(0)) then();
  }

  /** The words of the score, in the middle between the lines where they begin and end. */
  #drawWords(context, place) {
    if (this.#plot.width < NARROW_PX || this.#scene.fit) return;
    context.font = this.#font(place.ratio, 11);
    context.fillStyle = this.#colours("soft");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [from, to, word] of WORDS) {
      const [top, bottom] = [placeY(place, Math.min(to, place.high)), placeY(place, Math.max(from, place.low))];
      if (bottom - top > WORD_ROOM_PX * place.ratio)
        context.fillText(word, place.left - 6 * place.ratio, (top + bottom) / 2);
    }
  }

  #clip(context, place) {
    context.beginPath();
    context.rect(place.left, place.top - 2 * place.ratio, place.width, place.height + 4 * place.ratio);
    context.clip();
  }

  #selected(plot) {
    const { left, width } = plot.select;
    if (width <= 0) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    const more = Math.max(0, (LEAST_SPAN_SECONDS - (to - from)) / 2);
    this.#on.zoom({ from: from - more, to: to + more });
  }

  #hovered(plot) {
    const { left } = plot.cursor;
    if (left === undefined || left < 0) this.#on.hover(null);
    else this.#on.hover(plot.posToVal(left, "x"), this.#inside(left));
  }

  #inside(left) {
    return { left, width: this.#plot.over.clientWidth, offset: this.#plot.over.offsetLeft };
  }

  /** uPlot follows the mouse only; a finger moves the cursor too. */
  #touched(event) {
    if (event.pointerType !== "touch") return;
    const box = this.#plot.over.getBoundingClientRect();
    this.#plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
  }
}
