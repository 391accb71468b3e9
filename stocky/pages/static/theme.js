// Owns the choice of the theme: shown at once, and kept in a cookie by the server, which renders it. The last choice wins.
import { send } from "./http.js";
import { show } from "./toasts.js";

let control;

export async function choose(form) {
  const { dataset } = document.documentElement;
  // Not that of the event: of two imports at once, browsers may finish the second first.
  const { value } = form.elements.theme;
  if (value === "system") delete dataset.theme;
  else dataset.theme = value;
  control?.abort();
  control = new AbortController();
  try {
    await send(form.action, { method: "POST", data: new FormData(form), signal: control.signal });
  } catch (error) {
    if (error.name !== "AbortError") show(error.message, "bad");
  }
}
