// Owns the keyboard shortcuts of base.html: / n u ? and g with a second key; the keys of a scanner trigger none.
import { openById } from "./dialogs.js";
import { PAUSE } from "./wedge.js";

// Longer than a scanner's pause, because a busy device handles the next key late.
const WAIT = 2 * PAUSE;
const SEQUENCE = 1500;
let run = "", last = -Infinity, timer, going = -Infinity;

export function press(key, moment) {
  const isFirst = moment - last > PAUSE;
  clearTimeout(timer);
  // Earlier keys are handled late if this module was loaded for the first of them.
  if (isFirst) decide();
  last = moment;
  // Right after a slash the key is for the search, which does not have the focus yet.
  if (!isFirst && !run) return;
  run += key;
  // At once, because the next keys go into the search. No scanned code begins with a slash.
  if (key === "/" && isFirst) decide();
  // Without further keys it is not a scanner: g and its second key may be as fast, but are only two.
  else timer = setTimeout(decide, WAIT);
}

function decide() {
  const keys = run;
  run = "";
  if (!keys || document.querySelector("dialog[open]")) return;
  const isSecond = last - going < SEQUENCE;
  going = keys === "g" && !isSecond ? last : -Infinity;
  if (keys.length === 1) act(keys, isSecond);
  else if (keys.length === 2 && keys[0] === "g") act(keys[1], true);
}

function act(key, isSecond) {
  if (isSecond) document.querySelector(`[data-go="${CSS.escape(key)}"]`)?.click();
  else if (key === "/") document.getElementById("q")?.select();
  else if (key === "?") openById("shortcuts");
  else if (key === "n") document.querySelector("[data-new]")?.click();
  else if (key === "u") document.querySelector("#toasts > :last-child :is(button, a)")?.focus();
}
