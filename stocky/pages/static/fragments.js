// Owns the parts of a page that the server renders again: <… data-fragment="name"> keeps its element, its content is replaced.
import { send } from "./http.js";
import { adopt, show } from "./toasts.js";

const latest = new Map();
export const find = (name) => document.querySelector(`[data-fragment="${CSS.escape(name)}"]`);

// How an element is found again after a fragment was rendered: by id, else by name and value in the same row, else by its
// position. If there is none, the content of the page gets the focus, so that the body never has it.
// A button that takes one booking back has no substitute, since Enter on it would take back another one: its row gets the focus.
export function trace(element, host = element.closest("[data-fragment]")) {
  const main = document.getElementById("main");
  const key = (each) => [each.tagName, each.id, each.name, each.value, each.getAttribute("aria-label"), each.getAttribute("href"), each.form?.getAttribute("action")?.split("?")[0], each.form?.elements.sku_id?.value].join("|");
  const isOnly = element.form?.matches('[action$="/undo"], [action$="/return"]');
  const row = element.closest("li")?.id;
  const label = key(element);
  const all = () => [...(host?.isConnected ? host : main).querySelectorAll(element.tagName)];
  const index = Math.max(all().indexOf(element), 0);
  return () => {
    const others = all();
    let found = element.isConnected ? element : others.find((each) => key(each) === label);
    if (!found && isOnly) {
      found = document.getElementById(row);
      found?.setAttribute("tabindex", "-1");
    } else found ??= others[Math.min(index, others.length - 1)];
    found?.focus({ preventScroll: true });
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
  };
}

export function replace(name, html) {
  const element = find(name);
  if (!element) return null;
  const active = document.activeElement;
  const refocus = active !== element && element.contains(active) ? trace(active, element) : () => {};
  const keys = () => [...element.querySelectorAll("[data-key]")];
  const before = new Set(keys().map((each) => each.dataset.key));
  element.innerHTML = html;
  // New entries are highlighted for a moment.
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

// Adds an address to the history; going back or forward to it reads the fragment again.
export function push(name, url) {
  history.replaceState({ swap: name }, "");
  history.pushState({ swap: name }, "", url);
}

// Inputs in data-follow="name": the fragment of that name is read again with what is typed in them.
export async function follow(element) {
  const url = new URL(find(element.dataset.follow).dataset.src, location.href);
  for (const { name, value } of element.querySelectorAll("input")) url.searchParams.set(name, value);
  // A choice is followed by the change of its text: what was typed in the fragment meanwhile stays.
  if (element.dataset.followed === url.search) return;
  element.dataset.followed = url.search;
  try {
    await refresh(element.dataset.follow, url);
  } catch (error) {
    if (error.name !== "AbortError") show(error.message, "bad");
  }
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
