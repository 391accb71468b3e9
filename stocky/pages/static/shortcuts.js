// Owns the keyboard shortcuts of base.html: / n ? and g with a second key; a scanner's burst of keys triggers none.
import { openById } from "./dialogs.js";

// People press keys more slowly than scanners: 50 ms between two of them, or more.
const BURST = 50;
const WAIT = 70;
const SEQUENCE = 1500;
let last = -Infinity, timer, going = -Infinity;

export function press(key, moment) {
  const burst = moment - last < BURST;
  last = moment;
  clearTimeout(timer);
  if (burst) going = -Infinity;
  else timer = setTimeout(() => act(key, moment), WAIT);
}

function act(key, moment) {
  if (document.querySelector("dialog[open]")) return;
  const second = moment - going < SEQUENCE;
  going = key === "g" && !second ? moment : -Infinity;
  if (second) document.querySelector(`[data-go="${CSS.escape(key)}"]`)?.click();
  else if (key === "/") document.getElementById("q")?.select();
  else if (key === "?") openById("shortcuts");
  else if (key === "n") document.querySelector("[data-new]")?.click();
}
