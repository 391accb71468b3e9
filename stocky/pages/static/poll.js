// Owns fragments that are read again every data-poll seconds: while they hold such an element and the page is visible.
import { refresh } from "./fragments.js";

const timers = new Map();

export function poll(root) {
  for (const { dataset } of root.querySelectorAll("[data-poll]")) {
    const { poll: seconds, pollSwap: name } = dataset;
    const again = () => poll(document);
    clearTimeout(timers.get(name));
    timers.set(name, setTimeout(() => (document.hidden ? again() : refresh(name).catch(again)), seconds * 1000));
  }
}
