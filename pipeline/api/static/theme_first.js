// Sets the chosen theme before the first paint, so that a dark page does not flash white. The one script that blocks.
try {
  const chosen = localStorage.getItem("rungwatch.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is closed to us: the page follows the system.
}
