// Owns comboboxes that search the server: the typed text stays until one of the answers is chosen, which sets the hidden id.
import { send } from "./http.js";

const WAIT = 120;

export function attach(input) {
  if (input.dataset.ready) return;
  input.dataset.ready = "true";
  const field = input.closest("[data-picker]");
  const list = document.getElementById(input.getAttribute("aria-controls"));
  const id = field.querySelector('input[type="hidden"]');
  let timer, control, current = -1, searched = null;
  // Typed before this script was there: the id belongs to the text before.
  if (input.value !== input.defaultValue) id.value = "";
  let chosen = { id: id.value, text: input.value };

  const choosable = '[role="option"]:not([aria-disabled])';
  const options = () => [...list.querySelectorAll(choosable)];
  // The answer that adds what was typed is chosen by a person only.
  const adds = (option) => option.dataset.value === "new";
  const close = () => {
    list.hidden = true;
    current = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (index) => {
    current = index;
    options().forEach((option, at) => {
      option.id ||= `${list.id}-${at}`;
      option.setAttribute("aria-selected", String(at === index));
      if (at === index) {
        option.scrollIntoView({ block: "nearest" });
        input.setAttribute("aria-activedescendant", option.id);
      }
    });
  };
  // `how` is "left" for the single answer when the field is left.
  const choose = (option, how) => {
    // Late answers would open the list again, over the element that is pressed next.
    clearTimeout(timer);
    control?.abort();
    chosen = { id: option.dataset.value, text: option.dataset.text };
    id.value = chosen.id;
    input.value = chosen.text;
    close();
    // An error at the field no longer holds.
    input.dispatchEvent(new Event("input", { bubbles: true }));
    id.dispatchEvent(new CustomEvent("change", { bubbles: true, detail: how }));
  };
  const search = async () => {
    control?.abort();
    control = new AbortController();
    const url = new URL(field.dataset.picker, location.href);
    const words = input.value.trim();
    url.searchParams.set("q", words);
    try {
      const response = await send(url, { fragment: "options", signal: control.signal });
      list.innerHTML = await response.text();
      list.hidden = list.childElementCount === 0 || document.activeElement !== input;
      input.setAttribute("aria-expanded", String(!list.hidden));
      current = -1;
      searched = words;
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    // Enter must not choose an answer that was marked for an earlier text.
    mark(-1);
    input.removeAttribute("aria-activedescendant");
    // The text was changed and restored, as by a hand scanner: the choice stays.
    id.value = chosen.id && input.value === chosen.text ? chosen.id : "";
    if (id.value) {
      control?.abort();
      return close();
    }
    timer = setTimeout(search, WAIT);
  });
  // The list was closed, and a press on the field asks for it again; after an error the focus alone does.
  const reopen = () => { if (list.hidden && !id.value && document.activeElement === input) search(); };
  input.addEventListener("click", reopen);
  input.addEventListener("focus", () => input.ariaInvalid && reopen());
  input.addEventListener("keydown", (event) => {
    const all = options();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search();
      else if (all.length) mark((current + (event.key === "ArrowDown" ? 1 : all.length - 1 + (current < 0 ? 1 : 0))) % all.length);
    } else if (event.key === "Enter" && !list.hidden && all.length && (current >= 0 || input.value.trim())) {
      event.preventDefault();
      if (current >= 0) return choose(all[current]);
      if (searched === input.value.trim()) return adds(all[0]) ? mark(0) : choose(all[0]);
      // The answers belong to an earlier text: wait, so that the user sees the choice first.
      clearTimeout(timer);
      search().then(() => list.hidden || !options().length || mark(0));
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  list.addEventListener("pointerdown", (event) => {
    // Or the input would lose its focus, which closes the list.
    event.preventDefault();
    // Late answers would replace the option under the finger, and the press would choose nothing.
    clearTimeout(timer);
    control?.abort();
  });
  // Not before the finger is lifted, or the tap would hit the element below the list.
  list.addEventListener("click", (event) => {
    const option = event.target.closest(choosable);
    if (option) choose(option);
  });
  input.addEventListener("blur", () => {
    const all = options().filter((option) => !adds(option));
    // A single answer to what was typed is taken as the choice.
    if (!list.hidden && !id.value && all.length === 1 && searched && searched === input.value.trim()) choose(all[0], "left");
    close();
  });
  if (document.activeElement === input && !id.value) search();
}
