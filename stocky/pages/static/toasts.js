// Owns temporary messages: shown in the corner, read aloud, removed after some seconds unless pointed at or focused.
import { trace } from "./fragments.js";

const region = document.getElementById("toasts");
// Returns the focus to the element that had it before.
let goBack = () => {};
region.addEventListener("focusin", ({ relatedTarget }) => {
  if (relatedTarget && !region.contains(relatedTarget)) goBack = trace(relatedTarget);
});

export function remove(toast) {
  const isFocused = toast.contains(document.activeElement);
  toast.remove();
  if (isFocused) goBack();
}

function place(toast) {
  const seconds = toast.querySelector("form, a") ? 10 : 6;
  let timer;
  const arm = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (toast.matches(":hover, :focus-within") ? arm() : remove(toast)), seconds * 1000);
  };
  while (region.children.length > 1) remove(region.firstElementChild);
  region.append(toast);
  arm();
}

function make() {
  return document.getElementById("t-toast").content.firstElementChild.cloneNode(true);
}

export function show(text, kind = "good") {
  const toast = make();
  toast.classList.add(kind);
  toast.querySelector("span").textContent = text;
  place(toast);
}

// Moves the toasts that the server put into a page or fragment to the corner.
export function adopt(root) {
  for (const toast of [...root.querySelectorAll("[data-toast]")]) {
    toast.removeAttribute("data-toast");
    toast.append(make().querySelector("[data-dismiss]"));
    place(toast);
  }
}
