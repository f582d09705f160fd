// The rungs of the chart as switches: which are drawn, and what each is worth now.

import { h, say } from "./dom.js";
import { name, score, tone } from "./format.js";

export class Legend {
  #on;
  #buttons = new Map();

  /** @param {{toggle: (id: string) => void, focus: (id: string | null) => void}} on */
  constructor(on) {
    this.#on = on;
    this.element = h("div", { class: "legend", role: "group", "aria-label": "Rungs that are drawn" });
  }

  /** @param {{id: string, label: string, colour: string}[]} rungs the best first */
  lay(rungs) {
    this.#buttons.clear();
    this.element.replaceChildren(...rungs.map((rung) => this.#button(rung)));
  }

  /** @param {Map<string, any>} latest points by rung @param {Set<string>} hidden */
  show(latest, hidden) {
    for (const [id, { button, value }] of this.#buttons) {
      const point = latest.get(id);
      button.setAttribute("aria-pressed", String(!hidden.has(id)));
      say(value, point ? score(point.score) : "–");
      value.className = point ? tone(point.score) : "";
    }
  }

  #button({ id, label, colour }) {
    const chip = h("i", { class: "chip" });
    chip.style.background = colour;
    const value = h("b");
    const focus = () => this.#on.focus(id);
    const leave = () => this.#on.focus(null);
    const button = h(
      "button",
      {
        type: "button",
        title: name(id),
        onclick: () => this.#on.toggle(id),
        onpointerenter: focus,
        onpointerleave: leave,
        onfocus: focus,
        onblur: leave,
      },
      chip,
      h("span", {}, label),
      value,
    );
    this.#buttons.set(id, { button, value });
    return button;
  }
}
