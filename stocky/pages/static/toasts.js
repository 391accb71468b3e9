// Owns messages that pass: shown in the corner, read aloud, gone after some seconds unless pointed at or focused.
const region = document.getElementById("toasts");

function place(toast) {
  const seconds = toast.querySelector("form, a") ? 10 : 6;
  let timer;
  const arm = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (toast.matches(":hover, :focus-within") ? arm() : toast.remove()), seconds * 1000);
  };
  while (region.children.length > 1) region.firstElementChild.remove();
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
