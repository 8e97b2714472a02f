"use strict";
// The pages work without this file. It sends the CSRF token with each request that htmx makes.
document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector("meta[name=csrf-token]");
  if (token) event.detail.headers["X-CSRF-Token"] = token.content;
});

// Live pages: say when the connection is lost, and keep what a person opened, focused or scrolled in a piece that changes.
const SILENT_AFTER_MS = 12000;
let lastMessage = Date.now();
let isLive = false;

const timeInIndia = (epochMs) =>
  new Date(epochMs).toLocaleTimeString("en-IN", { timeZone: "Asia/Kolkata", hour: "numeric", minute: "2-digit", second: "2-digit" });

function tellConnection() {
  const line = document.getElementById("connection");
  if (!line || !isLive) return;
  const silent = Date.now() - lastMessage > SILENT_AFTER_MS;
  if (silent === !line.hidden) return;
  line.hidden = !silent;
  line.textContent = silent
    ? `No connection since ${timeInIndia(lastMessage)}: the figures are of that time. It is tried again by itself.`
    : "";
}

function pathOf(element, root) {
  const path = [];
  for (let at = element; at !== root; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  return path;
}

const kept = new WeakMap();
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  const target = event.target;
  const active = document.activeElement;
  kept.set(target, {
    open: [...target.querySelectorAll("details")].map((details) => details.open),
    scrolled: [...target.querySelectorAll(".scroll")].map((box) => box.scrollLeft),
    focus: target !== active && target.contains(active) ? pathOf(active, target) : null,
  });
});
document.addEventListener("htmx:sseMessage", (event) => {
  lastMessage = Date.now();
  tellConnection();
  const target = event.target;
  const state = kept.get(target);
  if (!state) return;
  target.querySelectorAll("details").forEach((details, number) => { details.open = state.open[number] || false; });
  target.querySelectorAll(".scroll").forEach((box, number) => { box.scrollLeft = state.scrolled[number] || 0; });
  if (state.focus) state.focus.reduce((at, number) => at && at.children[number], target)?.focus({ preventScroll: true });
});
document.addEventListener("htmx:sseOpen", () => { isLive = true; lastMessage = Date.now(); tellConnection(); });
// A stream that is refused may need a new login: the page itself knows the way.
document.addEventListener("htmx:sseError", () => {
  isLive = true;
  fetch(location.href, { method: "HEAD", redirect: "manual" })
    .then((response) => { if (response.type === "opaqueredirect") location.reload(); })
    .catch(() => {});
});
setInterval(tellConnection, 2000);
