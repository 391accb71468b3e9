// Owns search as you type: the newest words win, results replace the list on /items and open below the box elsewhere.
import { find, replace } from "./fragments.js";
import { send } from "./http.js";

const WAIT = 120;
const box = document.getElementById("q");
const panel = document.getElementById("found");
// The text that the server searched for; when this module is loaded, the box may already have more.
let timer, running, shown = box?.defaultValue ?? "";
// On /items the list is part of the page, before the panel in the document.
const here = () => find("results") !== panel;
const results = () => find("results");
const links = () => [...results().querySelectorAll(".lead > a, [data-result]")];

async function run() {
  const query = box.value.trim();
  running?.abort();
  if (query === shown && (here() || !panel.hidden)) return;
  if (!query && !here()) return hide();
  running = new AbortController();
  const url = here() ? new URL(location.href) : new URL(box.form.action);
  for (const name of ["page", "cursor", "cursor_day", "back", "done", "count", "batch"]) url.searchParams.delete(name);
  if (query) url.searchParams.set("q", query);
  else url.searchParams.delete("q");
  try {
    const response = await send(url, { fragment: "results", signal: running.signal });
    replace("results", await response.text());
    shown = query;
    if (here()) history.replaceState({ swap: "results" }, "", url);
    else panel.hidden = false;
  } catch (error) {
    if (error.name !== "AbortError") shown = null;
  }
}

function hide() {
  panel.hidden = true;
  shown = "";
}

export function ready() {
  if (box.dataset.ready) return;
  box.dataset.ready = "true";
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(event, 0);
    else if (event.key === "Enter" && (here() || !panel.hidden)) {
      event.preventDefault();
      enter();
    } else if (event.key === "Escape") hide();
  });
  document.addEventListener("keydown", (event) => {
    if (!["ArrowDown", "ArrowUp", "Escape"].includes(event.key) || event.target === box) return;
    const index = links().indexOf(event.target);
    if (index < 0) return;
    if (event.key === "Escape" || (event.key === "ArrowUp" && index === 0)) {
      event.preventDefault();
      box.focus();
    } else move(event, index + (event.key === "ArrowDown" ? 1 : -1));
  });
  for (const type of ["pointerdown", "focusin"]) {
    document.addEventListener(type, ({ target }) => {
      if (!panel.hidden && !panel.contains(target) && target !== box) hide();
    });
  }
}

function move(event, index) {
  const link = links()[index];
  if (!link) return;
  event.preventDefault();
  link.focus();
}

export function type() {
  ready();
  clearTimeout(timer);
  timer = setTimeout(run, WAIT);
}

// Enter waits for the results of the typed text, then goes to the first one, and opens it where it is clearly meant.
export async function enter() {
  clearTimeout(timer);
  await run();
  const [first] = links();
  first?.focus();
  if (shown === box.value.trim() && results().querySelector("[data-best]") && !document.querySelector(".selecting")) first?.click();
}

// A form with data-search inputs is sent again on typing: filters of lists.
const timers = new WeakMap();
export function filter(input) {
  clearTimeout(timers.get(input));
  timers.set(input, setTimeout(() => input.form.requestSubmit(), WAIT));
}
