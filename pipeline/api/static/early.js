// Asks for what a page shows first while the other modules are still on their way: it saves a round of waiting.

import { askFirst, askStreams } from "./asking.js";
import { parsed } from "./view.js";

const view = parsed(location.search);
let first = view.stream ? askFirst(view) : askStreams(view);
first.catch(() => {}); // whoever takes it hears of it

/** The answer to what the address says, once; null: it was taken. @returns {Promise<any> | null} */
export function takeEarly() {
  const taken = first;
  first = null;
  return taken;
}
