// Owns hand scanners, which type: their keys are told from a person's by their speed, and become a scan wherever the focus is.
const BURST = 50;
const LEAST = 4;

export function catchScanner(code, scan) {
  let keys = "", last = -Infinity, before = null;

  const editable = (element) => element?.matches?.("input:not([type=radio], [type=checkbox], [type=button]), textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const slow = event.timeStamp - last > BURST;
    // In its own field, Enter sends the form; some scanners end with Tab.
    const ends = event.key === "Tab" || (event.key === "Enter" && event.target !== code);
    if (ends && !slow && keys.length >= LEAST) {
      event.preventDefault();
      event.stopImmediatePropagation();
      // What the scanner typed into another field is taken out of it again.
      if (before) {
        before.element.value = before.value;
        before.element.dispatchEvent(new Event("input", { bubbles: true }));
      }
      const text = keys;
      keys = "";
      scan(text);
      return;
    }
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key !== "Shift") keys = "";
      return;
    }
    if (slow) {
      keys = "";
      before = editable(event.target) ? { element: event.target, value: event.target.value } : null;
    }
    last = event.timeStamp;
    keys += event.key;
    // Space would press the button that has the focus.
    if (!slow && !before && event.key === " ") event.preventDefault();
  }, { capture: true });
}
