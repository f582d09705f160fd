// The page of one stream: asks for what it shows, keeps it live, and hands it to chart, tables and pictures.

import { Problem } from "./api.js";
import { askFirst, askLadder, askRange, askSeries, askTroubles, askVariants, askWorst, lastOf } from "./asking.js";
import { TimeChart } from "./chart.js";
import { controls } from "./controls.js";
import { h } from "./dom.js";
import { takeEarly } from "./early.js";
import { Facts, lastEnd, tellChart } from "./facts.js";
import { count, name, now, short } from "./format.js";
import { Keys } from "./keys.js";
import { LadderTable } from "./ladder.js";
import { layout } from "./layout.js";
import { Legend } from "./legend.js";
import { Feed } from "./live.js";
import * as measured from "./measured.js";
import { noPoints, refused, waiting } from "./messages.js";
import { ramp } from "./ramp.js";
import { Readout } from "./readout.js";
import { scatter } from "./scatter.js";
import { Series } from "./series.js";
import { findingList, incidentList, marksOf } from "./troubles.js";
import { around, href, lastSeconds } from "./view.js";
import { distinct, worstFrames } from "./worst.js";

const RETRY_SECONDS = 2;
const SOON_SECONDS = 1.5;
const SLOW_SECONDS = 15;
/** How often what follows from points (incidents, worst frames) is asked for while they come. */
const SCATTER_SECONDS = 5;
const REFRESH_SECONDS = { raw: 900, minute: 60, hour: 300 };
/** How often a live range is asked for anew: to what was joined no point can be added. */
const STEPS_A_WINDOW = 1000;
/** The window moves on when that is about a pixel. */
const LABEL_LENGTH = 13;

export class StreamPage {
  #root;
  #status;
  #go;
  /** @type {import("./view.js").View} */
  #view;
  #parts;
  #chart;
  #readout;
  #facts = new Facts();
  #legend;
  #table;
  #feed = null;
  #asking = new AbortController();
  #timers = new Map();
  /** @type {Series | null} */
  #series = null;
  /** The answer of /api/v1/ladder. */
  #ladder = null;
  /** @type {Map<string, any>} the latest point of every rung */
  #latest = new Map();
  #variants = [];
  #rungs = [];
  #troubles = { incidents: [], findings: [], annotations: [] };
  #worst = [];
  #pending = [];
  #loadedAt = 0;
  #drawnAt = 0;
  #lastFollowed = null;
  #closed = false;

  /**
   * @param {HTMLElement} root
   * @param {import("./status.js").Status} status
   * @param {(view: any, how?: {replace?: boolean}) => void} go
   */
  constructor(root, status, go) {
    this.#root = root;
    this.#status = status;
    this.#go = go;
    const focus = (id) => this.#chart.focus(id);
    this.#legend = new Legend({ focus, toggle: (id) => this.#toggle(id) });
    this.#table = new LadderTable({ focus, look: this.#look });
  }

  open(view) {
    this.#view = view;
    this.#lastFollowed = view.last;
    document.title = `${name(view.stream)} · Rungwatch`;
    this.#lay();
    this.#load();
    this.#timers.set(
      "tick",
      setInterval(() => this.#tick(), 1000),
    );
  }

  /** Shows another range, or other lines, of the same stream. */
  update(view) {
    const before = this.#view;
    this.#view = view;
    if (view.from === null) this.#lastFollowed = view.last;
    const same = ["last", "from", "to", "model", "height"].every((part) => before[part] === view[part]);
    // At once with what is there, then with what belongs there.
    this.#draw();
    if (!same || !this.#series) this.#load();
  }

  /** Writes all times and colours anew. */
  restyle() {
    if (!this.#series) return;
    this.#layRungs();
    this.#chart.restyle();
    this.#draw();
    this.#showTroubles();
    this.#showWorst();
  }

  close() {
    this.#closed = true;
    this.#asking.abort();
    this.#feed?.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#chart.close();
  }

  /** Whether the stream's axis is the clock; false too while that is not known. */
  get live() {
    return this.#ladder?.live ?? false;
  }

  #lay() {
    this.#parts = layout(this.#view.stream, {
      facts: this.#facts.element,
      legend: this.#legend.element,
      ladder: this.#table.element,
    });
    this.#root.replaceChildren(...this.#parts.sections);
    const { chart } = this.#parts;
    this.#chart = new TimeChart(chart, { zoom: (span) => this.#zoom(span), hover: (...at) => this.#hover(...at) });
    this.#readout = new Readout(chart);
    new Keys(chart, {
      scene: () => (this.#series && !this.#series.empty ? this.#scene() : null),
      point: (seconds) => {
        this.#chart.pointAt(seconds);
        this.#readout.speak(this.#scene(), seconds);
      },
      zoom: (span) => this.#zoom(span),
      leave: () => this.#readout.hide(),
    });
  }

  // What is asked.

  async #load() {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    await this.#tried(
      "load",
      signal,
      () => this.#load(),
      async () => {
        const { ladder, answer, isWhole } = await (this.#series
          ? askRange(this.#view, this.live, signal)
          : (takeEarly() ?? askFirst(this.#view, signal)));
        if (signal.aborted) return;
        this.#take(ladder, answer);
        if (!isWhole) this.#take(ladder, await askSeries(this.#view, this.live, signal));
        this.#listen();
        this.#followUp();
        this.#variants = await askVariants(this.#view.stream, signal);
        this.#showControls();
      },
    );
  }

  #take(ladder, answer) {
    this.#ladder = ladder;
    this.#loadedAt = now();
    this.#latest = new Map(ladder.rungs.map((rung) => [rung.rendition_id, rung]));
    this.#series = new Series(answer, [...this.#latest.keys()]);
    if (!ladder.live) this.#latest = this.#series.means(this.#latest);
    this.#layRungs();
    this.#draw();
  }

  /** What follows from the points, and may come a moment later. */
  #followUp() {
    this.#askTroubles();
    this.#askWorst();
  }

  #askTroubles() {
    const { signal } = this.#asking;
    return this.#tried(
      "troubles",
      signal,
      () => this.#askTroubles(),
      async () => {
        this.#troubles = await askTroubles(this.#view, { live: this.live, ...this.#window() }, signal);
        this.#showTroubles();
        this.#draw();
      },
    );
  }

  #askWorst() {
    const { signal } = this.#asking;
    return this.#tried(
      "worst",
      signal,
      () => this.#askWorst(),
      async () => {
        const worst = distinct(await askWorst(this.#view, { live: this.live, ...this.#window() }, signal));
        const changed = JSON.stringify(worst) !== JSON.stringify(this.#worst);
        this.#worst = worst;
        if (changed || !this.#parts.worst.firstChild) this.#showWorst();
      },
    );
  }

  /** Does what asks; says what fails, and tries again where that may help. */
  async #tried(what, signal, again, action) {
    try {
      await action();
      this.#status.answered();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (error.passing) {
        this.#status.failed(error);
        if (!this.#series) this.#say(...waiting());
        this.#later(`${what} again`, RETRY_SECONDS, again);
      } else if (!this.#series) this.#say(...refused(error));
    }
  }

  // What comes by itself.

  #listen() {
    if (this.#feed || this.#closed || !this.live) return;
    this.#feed = new Feed(this.#view.stream, {
      begun: () => this.#catchUp(),
      point: (point) => this.#arrived(point),
      finding: () => this.#later("troubles", SOON_SECONDS, () => this.#askTroubles()),
      missed: () => this.#load(),
      state: ({ redis }) => {
        if (redis !== "ok") this.#status.away("redis", redis.replace(/^away:?\s*/, ""));
        else if (this.#status.back("redis")) this.#load();
      },
      away: () => this.#status.away("server"),
      back: () => this.#status.back("server"),
    });
  }

  /** What was written after it was asked for, and before it could be heard, is asked for. */
  #catchUp() {
    const { signal } = this.#asking;
    return this.#tried(
      "catch up",
      signal,
      () => this.#catchUp(),
      async () => {
        const { rungs } = await askLadder(this.#view, signal);
        const isNew = (rung) => !(rung.start_seconds <= this.#latest.get(rung.rendition_id)?.start_seconds);
        if (rungs.some(isNew)) this.#load();
      },
    );
  }

  #arrived(point) {
    const { model, height } = this.#chosen();
    if (point.stream_id !== this.#view.stream || point.model !== model || point.display_height_px !== height) return;
    if (this.#pending.push(point) === 1) requestAnimationFrame(() => this.#append());
  }

  /** Puts what came since the last frame in its place: one drawing for all rungs of an instant. */
  #append() {
    if (this.#closed || !this.#series) return;
    measured.begin();
    const changed = new Set();
    for (const point of this.#pending.splice(0)) {
      const before = this.#latest.get(point.rendition_id);
      if (!before) {
        this.#later("load", SOON_SECONDS, () => this.#load());
        continue;
      }
      if (point.start_seconds >= before.start_seconds) {
        this.#latest.set(point.rendition_id, point);
        this.#table.latest(point, this.live);
      }
      if (point.findings.length) this.#later("troubles", SOON_SECONDS, () => this.#askTroubles());
      if (this.#follows() && this.#series.takesPoints && this.#series.add(point)) changed.add(point.rendition_id);
    }
    this.#later("slow", SLOW_SECONDS, () => this.#followUp());
    this.#later("scatter", SCATTER_SECONDS, () => this.#showScatter());
    this.#series.trim(this.#window().from);
    this.#showLatest();
    this.#drawnAt = now();
    this.#chart.show(this.#scene(), () => measured.end());
    this.#showCourses(changed);
    this.#showMessage();
  }

  #tick() {
    if (!this.#series || document.hidden) return;
    this.#table.tick(now(), this.live);
    this.#facts.show(this.#ladder, [...this.#latest.values()]);
    if (!this.#follows()) return;
    if (now() - this.#loadedAt > REFRESH_SECONDS[this.#series.resolution]) {
      this.#loadedAt = now();
      this.#load();
    } else if (now() - this.#drawnAt > lastSeconds(lastOf(this.#view)) / STEPS_A_WINDOW) this.#draw();
  }

  /** Does something once, soon: more of the same before then changes nothing. */
  #later(what, seconds, action) {
    if (this.#timers.has(what) || this.#closed) return;
    const due = () => {
      this.#timers.delete(what);
      action();
    };
    this.#timers.set(what, setTimeout(due, seconds * 1000));
  }

  // What is shown.

  /** Whether the range moves with the clock. */
  #follows() {
    return this.live && this.#view.from === null;
  }

  /** What is shown of the axis. */
  #window() {
    const { from, to } = this.#view;
    if (from !== null) return { from, to };
    if (this.live) {
      const end = now();
      return { from: end - lastSeconds(lastOf(this.#view)), to: end };
    }
    const { empty, startSeconds, endSeconds } = this.#series;
    return empty ? { from: 0, to: 1 } : { from: startSeconds, to: endSeconds };
  }

  /** @returns {import("./chart.js").Scene} */
  #scene() {
    const hidden = new Set(this.#view.hide);
    const lines = new Map(this.#series.rungs.map((rung) => [rung.id, rung]));
    const drawn = this.#rungs
      .filter(({ id }) => !hidden.has(id) && lines.has(id))
      .map(({ id, colour, label }) => ({ rung: lines.get(id), colour, label }));
    return { series: this.#series, drawn, fit: this.#view.fit, marks: marksOf(this.#troubles), ...this.#window() };
  }

  /** The model and the display height that are shown: scores of two never mix. */
  #chosen() {
    const { model, display_height_px: height } = this.#ladder;
    return { model: this.#view.model ?? model, height: this.#view.height ?? height };
  }

  #layRungs() {
    const ids = [...new Set([...this.#latest.keys(), ...this.#series.rungs.map(({ id }) => id)])];
    const colours = ramp(ids.length);
    this.#rungs = ids.map((id, index) => ({ id, colour: colours[index], label: short(name(id), LABEL_LENGTH) }));
    this.#table.lay(this.#rungs, this.live);
    this.#legend.lay(this.#rungs);
    for (const point of this.#latest.values()) this.#table.latest(point, this.live);
    this.#table.tick(now(), this.live);
  }

  #draw() {
    if (!this.#series) return;
    this.#drawnAt = now();
    this.#showControls();
    this.#showLatest();
    this.#chart.show(this.#scene(), () => measured.drawn());
    this.#showCourses();
    this.#showScatter();
    this.#showMessage();
  }

  #showControls() {
    const { controls: host } = this.#parts;
    const { from, to } = this.#window();
    const chosen = this.#variants.length > 1 ? this.#chosen() : {};
    const key = JSON.stringify([
      this.#view,
      this.#variants.length > 1 ? this.#variants : [],
      this.#follows() ? "" : [from, to],
      document.documentElement.dataset.clock,
    ]);
    // Under the reader's hands nothing is exchanged for the same.
    if (host.dataset.shown === key) return;
    host.dataset.shown = key;
    const view = { ...this.#view, last: this.#view.last ?? (this.#view.from === null ? null : this.#lastFollowed) };
    host.replaceChildren(
      ...controls({ ...view, ...chosen }, { live: this.live, from, to }, this.#variants, (next) => this.#go(next)),
    );
  }

  #showLatest() {
    this.#legend.show(this.#latest, new Set(this.#view.hide));
    this.#facts.show(this.#ladder, [...this.#latest.values()]);
  }

  #showCourses(only = null) {
    const { from, to } = this.#window();
    for (const rung of this.#series.rungs) {
      if (!only || only.has(rung.id)) this.#table.course(rung, from, to, this.live);
    }
  }

  #showScatter() {
    const scene = this.#scene();
    const empty = h("p", { class: "empty" }, "No segment in this range.");
    this.#parts.scatter.replaceChildren(this.#series.empty ? empty : scatter(scene, this.#parts.scatter.clientWidth));
    tellChart(this.#parts.told, scene, this.#troubles.incidents.length);
  }

  #showTroubles() {
    const { incidents, findings } = this.#troubles;
    const { incidents: first, findings: second } = this.#parts;
    first.replaceChildren(incidentList(incidents, this.live, this.#look));
    second.hidden = !findings.length;
    second.replaceChildren(
      h("summary", {}, `${count(findings.length, "finding")} of the playlist or manifest`),
      findingList(findings, this.#look),
    );
  }

  #showWorst() {
    const rungs = new Map(this.#rungs.map((rung) => [rung.id, rung]));
    this.#parts.worst.replaceChildren(worstFrames(this.#worst, rungs, this.live, this.#look));
  }

  #showMessage() {
    if (!this.#series.empty) {
      this.#say();
      return;
    }
    const end = lastEnd([...this.#latest.values()]);
    const before = href({ ...this.#view, last: null, from: end - 3600, to: end + 10 }, this.live);
    this.#say(...noPoints(before));
  }

  #say(...content) {
    const { message } = this.#parts;
    message.hidden = content.length === 0;
    message.replaceChildren(...content);
  }

  // What the reader does.

  #toggle(id) {
    const { hide } = this.#view;
    this.#go(
      { ...this.#view, hide: hide.includes(id) ? hide.filter((each) => each !== id) : [...hide, id] },
      { replace: true },
    );
  }

  /** @param {{from: number, to: number} | null} span null: back to the whole */
  #zoom(span) {
    if (!this.#series) return;
    this.#go({
      ...this.#view,
      ...(span ? { ...span, last: null } : { from: null, to: null, last: this.#lastFollowed }),
    });
  }

  #hover(seconds, at) {
    if (seconds === null || !this.#series || this.#series.empty) this.#readout.hide();
    else this.#readout.show(this.#scene(), seconds, at, this.#chart);
  }

  /** The address that shows a span with what is around it. */
  #look = (from, to) => {
    return href({ ...this.#view, last: null, ...around(from, to) }, this.live);
  };
}
