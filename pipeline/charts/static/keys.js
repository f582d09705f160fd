// The chart by keyboard: arrows walk along the segments, plus and minus zoom, Escape goes back.

const NEAR = 0.5;
const FAR = 10;

export class Keys {
  #at = null;
  #on;

  /**
   * @param {HTMLElement} chart
   * @param {{scene: () => any, point: (seconds: number) => void, zoom: Function, leave: () => void}} on
   */
  constructor(chart, on) {
    this.#on = on;
    chart.addEventListener("keydown", (event) => this.#pressed(event));
    chart.addEventListener("blur", () => {
      this.#at = null;
      on.leave();
    });
  }

  #pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const scene = this.#on.scene();
    if (!scene) return;
    const { from, to } = scene;
    const inside = (seconds) => Math.min(Math.max(seconds, from), to);
    const at = this.#at === null ? inside(scene.series.endSeconds - 1e-3) : inside(this.#at);
    const steps = event.shiftKey ? FAR : 1;
    const hidden = new Set(
      scene.series.rungs.filter((rung) => !scene.drawn.some((each) => each.rung === rung)).map(({ id }) => id),
    );
    const move = (seconds) => {
      this.#at = inside(seconds);
      this.#on.point(this.#at);
    };
    const zoom = (factor) => {
      const half = ((to - from) * factor) / 2;
      this.#on.zoom({ from: at - half, to: at + half });
    };
    const actions = {
      ArrowLeft: () => move(scene.series.neighbour(at, -steps, hidden)),
      ArrowRight: () => move(scene.series.neighbour(at, steps, hidden)),
      Home: () => move(Math.max(from, scene.series.startSeconds)),
      End: () => move(scene.series.endSeconds - 1e-3),
      "+": () => zoom(NEAR),
      "=": () => zoom(NEAR),
      "-": () => zoom(1 / NEAR),
      Escape: () => this.#on.zoom(null),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}
