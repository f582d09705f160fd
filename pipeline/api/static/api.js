// Asks the server (/api/v1), and says in one kind of error what went wrong.

import { serverSays } from "./format.js";

/** What the server, or the way to it, has to say against a request. `status` 0: no answer came. */
export class Problem extends Error {
  constructor(status, title, detail = "") {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail;
  }

  /** Whether asking again may help. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The address of an answer. @param {Record<string, any>} parameters null and "" are left out, arrays repeat */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") query.append(name, String(each));
    }
  }
  const text = query.toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
}

/** @returns {Promise<any>} @throws {Problem} */
export async function ask(path, parameters = {}, signal = undefined) {
  let response;
  const askedSeconds = Date.now() / 1000;
  try {
    response = await fetch(address(path, parameters), { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer");
  }
  serverSays(response.headers.get("date"), askedSeconds);
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw new Problem(response.status, told.title ?? `The server answers ${response.status}`, told.detail ?? "");
  }
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The answer of the server broke off");
  }
}
