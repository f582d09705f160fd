// Dark and light: the system's choice, or the reader's own, which is kept.

const KEY = "rungwatch.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

export const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

export function toggle() {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is closed to us: it holds until the page is left.
  }
  tell();
}

/** @returns {() => void} ends it */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The style sheet's colours for a canvas, which knows no variables. @returns {(name: string) => string} */
export function palette() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const known = new Map();
  const find = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  for (const each of ["ink", "soft", "line", "grid", "wash", "panel", "wrong", "advice", "ad"])
    known.set(each, find(each));
  probe.remove();
  return (name) => known.get(name);
}

function tell() {
  for (const listener of listeners) listener();
}

system.addEventListener("change", tell);
