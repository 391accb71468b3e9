// Owns the parts of a page that the server renders again: <… data-fragment="name"> keeps its element, its content is replaced.
import { send } from "./http.js";
import { adopt, show } from "./toasts.js";

const latest = new Map();
export const find = (name) => document.querySelector(`[data-fragment="${CSS.escape(name)}"]`);

// How the focused element is found again in the new content: by id, else by its name and value in the same row.
function focusPath(element) {
  const active = document.activeElement;
  if (!element.contains(active) || active === element) return () => {};
  const key = (each) => [each.tagName, each.id, each.name, each.value, each.getAttribute("aria-label"), each.getAttribute("href"), each.form?.elements.sku_id?.value].join("|");
  const label = key(active);
  const index = [...element.querySelectorAll(active.tagName)].indexOf(active);
  return () => {
    const all = [...element.querySelectorAll(active.tagName)];
    (all.find((each) => key(each) === label) ?? all[Math.min(index, all.length - 1)])?.focus({ preventScroll: true });
  };
}

export function replace(name, html) {
  const element = find(name);
  if (!element) return null;
  const refocus = focusPath(element);
  const keys = () => [...element.querySelectorAll("[data-key]")];
  const before = new Set(keys().map((each) => each.dataset.key));
  element.innerHTML = html;
  // What came in while one looks is shown for a moment.
  if (before.size) for (const each of keys()) each.classList.toggle("fresh", !before.has(each.dataset.key));
  // At once: another answer may replace the content before the page is enhanced.
  adopt(element);
  refocus();
  element.dispatchEvent(new CustomEvent("stocky:swap", { bubbles: true, detail: name }));
  return element;
}

// Reads one fragment again. A later call for the same fragment replaces this one.
export async function refresh(name, url = find(name)?.dataset.src ?? location.href) {
  latest.get(name)?.abort();
  const control = new AbortController();
  latest.set(name, control);
  const element = find(name);
  element?.setAttribute("aria-busy", "true");
  try {
    const response = await send(url, { fragment: name, signal: control.signal });
    return replace(name, await response.text());
  } finally {
    if (latest.get(name) === control) element?.removeAttribute("aria-busy");
  }
}

// Adds an address to the history; going back from it, or to it, reads the fragment again.
export function push(name, url) {
  history.replaceState({ swap: name }, "");
  history.pushState({ swap: name }, "", url);
}

// A link with data-swap: the same page with another query.
export async function visit(link) {
  const name = link.dataset.swap;
  try {
    await refresh(name, link.href);
    push(name, link.href);
    if ("top" in link.dataset) find(name)?.scrollIntoView({ block: "start" });
  } catch (error) {
    if (error.name !== "AbortError") show(error.message, "bad");
  }
}
