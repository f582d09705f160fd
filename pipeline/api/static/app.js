// Begins here: which page an address means, links within the page, and the switches at its top.

import { h, say } from "./dom.js";
import { inUtc, name, setUtc } from "./format.js";
import { FleetPage } from "./fleet.js";
import { Status } from "./status.js";
import { StreamPage } from "./stream.js";
import { isDark, onChange, toggle } from "./theme.js";
import { href, parsed } from "./view.js";

const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [root, crumbs, clock, theme] = ["page", "crumbs", "clock", "theme"].map(find);
const status = new Status(find("status"));
let page = null;
let shown = null;

/** Shows what the address says: in the page that is there, where that is of the same kind. */
function show() {
  const view = parsed(location.search);
  if (page && shown.stream === view.stream) page.update(view);
  else {
    page?.close();
    page = new (view.stream ? StreamPage : FleetPage)(root, status, go);
    page.open(view);
    window.scrollTo(0, 0);
  }
  shown = view;
  crumbs.replaceChildren(
    h("a", { href: "/", "aria-current": view.stream ? null : "page" }, "Streams"),
    ...(view.stream
      ? [
          h("span", { "aria-hidden": "true" }, "/"),
          h("span", { class: "here", "aria-current": "page" }, name(view.stream)),
        ]
      : []),
  );
}

/** Goes to a view. `replace`: it is no place to come back to. */
function go(view, { replace = false } = {}) {
  const live = page instanceof StreamPage && page.live;
  history[replace ? "replaceState" : "pushState"](null, "", href(view, live));
  show();
}

addEventListener("popstate", show);

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (
    !link ||
    !plain ||
    event.defaultPrevented ||
    link.target ||
    link.origin !== location.origin ||
    link.pathname !== "/"
  )
    return;
  event.preventDefault();
  if (link.href !== location.href) history.pushState(null, "", link.href);
  show();
});

addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
  const search = document.getElementById("search");
  if (event.key === "/" && !typing && search) {
    event.preventDefault();
    search.focus();
  }
});

function switches() {
  document.documentElement.dataset.clock = inUtc() ? "utc" : "local";
  say(clock, inUtc() ? "UTC" : "Local time");
  clock.title = inUtc() ? "Times are in UTC: show local time" : "Times are local: show UTC";
  say(theme, isDark() ? "◐ Dark" : "◐ Light");
  theme.title = isDark() ? "Show it light" : "Show it dark";
}

clock.addEventListener("click", () => {
  setUtc(!inUtc());
  switches();
  page.restyle();
});
theme.addEventListener("click", toggle);
onChange(() => {
  switches();
  page.restyle();
});

switches();
show();
