// Owns copying to the clipboard; on plain http, where there is none, the text is selected and the browser's command is tried.
import { show } from "./toasts.js";

export async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.value ?? source.textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
    return show(button.dataset.done);
  } catch { /* Not allowed, or not available. */ }
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
  show(document.execCommand("copy") ? button.dataset.done : button.dataset.manual, "info");
}
