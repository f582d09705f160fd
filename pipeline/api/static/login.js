// The sign-in page: says that the token was wrong, and remembers where the reader wanted to go.

const query = new URLSearchParams(location.search);
const wanted = query.get("next") ?? "/";
// Only a path of ours: "//host" and "/\host" would lead away.
/** @type {HTMLInputElement} */ (document.getElementById("next")).value = /^\/(?![/\\])/.test(wanted) ? wanted : "/";
document.getElementById("wrong").hidden = !query.has("wrong");
