// Owns comboboxes that search the server: the typed text stays until one of the answers is chosen, which sets the hidden id.
import { send } from "./http.js";

const WAIT = 120;

export function attach(input) {
  if (input.dataset.ready) return;
  input.dataset.ready = "true";
  const field = input.closest("[data-picker]");
  const list = document.getElementById(input.getAttribute("aria-controls"));
  const id = field.querySelector('input[type="hidden"]');
  let timer, control, current = -1;
  let chosen = { id: id.value, text: input.value };

  const options = () => [...list.querySelectorAll('[role="option"]')];
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
  const choose = (option) => {
    chosen = { id: option.dataset.value, text: option.dataset.text };
    id.value = chosen.id;
    input.value = chosen.text;
    close();
    id.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const search = async () => {
    control?.abort();
    control = new AbortController();
    const url = new URL(field.dataset.picker, location.href);
    url.searchParams.set("q", input.value.trim());
    try {
      const response = await send(url, { fragment: "options", signal: control.signal });
      list.innerHTML = await response.text();
      list.hidden = options().length === 0 || document.activeElement !== input;
      input.setAttribute("aria-expanded", String(!list.hidden));
      current = -1;
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    // Typed into and put back, as by a hand scanner: it is chosen still.
    id.value = chosen.id && input.value === chosen.text ? chosen.id : "";
    if (id.value) {
      control?.abort();
      return close();
    }
    timer = setTimeout(search, WAIT);
  });
  input.addEventListener("keydown", (event) => {
    const all = options();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search();
      else mark((current + (event.key === "ArrowDown" ? 1 : all.length - 1 + (current < 0 ? 1 : 0))) % all.length);
    } else if (event.key === "Enter" && !list.hidden && all.length) {
      event.preventDefault();
      choose(all[Math.max(current, 0)]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  // Before the input loses its focus, which closes the list.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  // Not before the finger is lifted: the tap would go to what is below the list.
  list.addEventListener("click", (event) => {
    const option = event.target.closest('[role="option"]');
    if (option) choose(option);
  });
  input.addEventListener("blur", () => {
    const all = options();
    // One answer only is what was meant.
    if (!list.hidden && !id.value && all.length === 1) choose(all[0]);
    close();
  });
  if (document.activeElement === input && !id.value) search();
}
