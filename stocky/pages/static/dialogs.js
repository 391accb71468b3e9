// Owns opening and closing of dialogs; the focus returns to the element that opened them, even if it was rendered again meanwhile.
import { refresh, trace } from "./fragments.js";
import { show } from "./toasts.js";

function prepare(dialog) {
  if (dialog.dataset.ready) return;
  dialog.dataset.ready = "true";
  // A press on the backdrop has the dialog itself as its target.
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog && !dialog.querySelector("form[aria-busy]")) dialog.close();
  });
}

export function openById(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return dialog;
  prepare(dialog);
  const goBack = trace(document.activeElement);
  dialog.addEventListener("close", () => {
    const active = document.activeElement;
    if (active === document.body || dialog.contains(active)) goBack();
  }, { once: true });
  dialog.showModal();
  const first = dialog.querySelector(".dialog-body :is(input:not([type=hidden]), select, textarea, button)");
  first?.focus();
  return dialog;
}

export async function open(opener) {
  const { dialog, dialogSrc, dialogTitle } = opener.dataset;
  const element = openById(dialog);
  if (!element || !dialogSrc) return;
  const heading = element.querySelector("h2");
  heading.dataset.usual ??= heading.textContent;
  heading.textContent = dialogTitle ?? heading.dataset.usual;
  try {
    await refresh(dialog, new URL(dialogSrc, location.href));
    element.querySelector(".dialog-body :is(input:not([type=hidden]), select, textarea, button)")?.focus();
  } catch (error) {
    // A second click on the opener reads the content again.
    if (error.name === "AbortError") return;
    element.close();
    show(error.message, "bad");
  }
}

export function close(element) {
  element.closest("dialog")?.close();
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
}
