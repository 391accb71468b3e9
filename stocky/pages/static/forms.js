// Owns forms that are sent without leaving the page: each is sent once, and errors are shown at their fields.
import { find, push, replace } from "./fragments.js";
import { Problem, newEventId, send, word } from "./http.js";
import { remove, show } from "./toasts.js";

// The running request of each form that reads.
const reading = new WeakMap();
const copy = (id) => document.getElementById(`t-${id}`).content.firstElementChild.cloneNode(true);

function unmark(field) {
  field.removeAttribute("aria-invalid");
  field.setAttribute("aria-describedby", (field.getAttribute("aria-describedby") ?? "").replace(/\S+-error\s*/g, ""));
}

function clear(form) {
  for (const each of form.querySelectorAll("[data-error]")) each.remove();
  for (const each of form.querySelectorAll('[aria-invalid="true"]')) unmark(each);
}

function mark(field, message) {
  const error = copy("error");
  error.id = `${field.id || field.name}-error`;
  error.dataset.error = "";
  error.querySelector("span").textContent = message;
  (field.closest(".field, .choice") ?? field.parentElement).append(error);
  const folded = field.closest("details");
  if (folded) folded.open = true;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${field.getAttribute("aria-describedby") ?? ""} ${error.id}`.trim());
  // Once it is changed it is no longer known to be wrong.
  field.addEventListener("input", () => {
    error.remove();
    unmark(field);
  }, { once: true });
}

// Shows errors at their fields, and those without a field above the form.
export function explain(form, error) {
  clear(form);
  let unplaced = !error.errors?.length;
  for (const { field, message } of error.errors ?? []) {
    const input = form.elements[`${field}_text`] ?? form.elements[field];
    if (input?.tagName && input.type !== "hidden") mark(input, message);
    else unplaced = true;
  }
  if (unplaced) {
    const box = copy("form-error");
    box.dataset.error = "";
    box.querySelector("div").textContent = error.message;
    form.prepend(box);
  }
  form.querySelector('[aria-invalid="true"]')?.focus();
}

// An amount typed into the form is also that of other forms, until theirs is changed. It is in the unit of those.
export function carry(form) {
  const { quantity, unit } = form.elements;
  const typed = unit.value === unit.defaultValue ? quantity.value.trim() : "";
  for (const field of document.querySelectorAll(form.dataset.carry)) {
    if (field.value === (field.dataset.carried ?? field.defaultValue)) field.value = field.dataset.carried = typed || field.defaultValue;
  }
}

// Sends the form once. Resolves to the response, or to undefined if it was rejected, with the errors shown. A form that only
// reads is sent again while its request runs, which the newer one replaces.
export async function post(form, submitter) {
  const reads = form.method === "get";
  if (form.ariaBusy && !reads) return undefined;
  form.ariaBusy = "true";
  const control = new AbortController();
  if (reads) {
    reading.get(form)?.abort();
    reading.set(form, control);
  }
  const data = new FormData(form, submitter);
  if ("event" in form.dataset) data.set("event_id", (form.dataset.event ||= newEventId()));
  const action = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  const url = new URL(action, location.href);
  if (reads) url.search = new URLSearchParams([...data].filter(([, value]) => value !== ""));
  try {
    const response = await send(url, { method: reads ? "GET" : "POST", data: reads ? undefined : data, fragment: form.dataset.swap, signal: control.signal });
    if ("event" in form.dataset) form.dataset.event = "";
    // The reason why an attempt before was refused no longer holds.
    for (const each of document.querySelectorAll("#toasts .bad")) remove(each);
    // Each pause of typing would be an entry of the history.
    if (form.querySelector("[data-search]")) history.replaceState({ swap: form.dataset.swap }, "", url);
    else if (reads) push(form.dataset.swap, url);
    return response;
  } catch (error) {
    if (control.signal.aborted) return undefined;
    if (!(error instanceof Problem)) throw error;
    // A corrected form is a new request.
    if (error.isRefusal && "event" in form.dataset) form.dataset.event = "";
    if (form.matches("[data-stepper], .toast form, .event form, .loan form") || reads) show(error.message || word("failed"), "bad");
    else explain(form, error);
    return undefined;
  } finally {
    if (!control.signal.aborted) form.ariaBusy = null;
  }
}

export async function submit(form, submitter) {
  const response = await post(form, submitter);
  if (!response) return;
  const name = form.dataset.swap;
  if (name && find(name)) {
    // Without a fragment of this name the answer is a whole page: a redirect that lost the header.
    const html = await response.text().catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
    if (html === undefined) return;
    replace(name, html);
    form.closest("dialog[open]")?.close();
    if (form.closest(".toast")) remove(form.closest(".toast"));
    if (form.hasAttribute("data-reset")) form.reset();
  } else {
    // An address with #part would only scroll.
    location.assign(response.redirected ? response.url : location.pathname + location.search);
  }
}
