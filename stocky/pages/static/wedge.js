// Owns hand scanners, which type: their keys are distinguished from a person's by speed, and become a scan wherever the focus is.

// The longest pause between two keys of a scanner. Over Bluetooth, or set to slow keys for old terminals, scanners take up
// to 100 ms; the rest is for delays on the way to the browser.
export const PAUSE = 130;
// People type two letters within this, but not four and Enter. At 150 words a minute a key takes 80 ms on average.
const FAST = 50;
const LEAST = 4;
// Such a typist could type a short word with pauses of PAUSE and less. So slow keys in a field are a scan only if the text
// is long and looks like a code: half of it digits, an address, or a command. People type digits at 125 ms and more.
const LEAST_SLOW = 8;
const CODE = /^(\{.*\}|\w+:\/\/.*|STOCK[YZ][A-Z]+)$/is;
// The pause between a person's last key and a scanner's trigger is longer. Keys that follow sooner are the end of a longer
// text: a part of a code is not a code.
const REST = 300;

const looksLikeCode = (text) => text.length >= LEAST_SLOW && (CODE.test(text) || text.replace(/\D/g, "").length * 2 >= text.length);
const editable = (element) => element?.matches?.("input:not([type=radio], [type=checkbox], [type=button]), textarea, select, [contenteditable]");

export function catchScanner(code, scan) {
  let keys, last, slowest, before, isPart;
  const reset = () => {
    keys = "";
    last = -Infinity;
  };
  reset();

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.key === "Shift") return;
    const pause = event.timeStamp - last;
    // In its own field, Enter sends the form; some scanners end with Tab.
    const ends = event.key === "Tab" || (event.key === "Enter" && event.target !== code);
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) {
      const text = keys;
      const isScan = ends && !isPart && text.length >= LEAST && pause <= PAUSE
        && (Math.max(slowest, pause) <= FAST || !before || looksLikeCode(text));
      reset();
      if (!isScan) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      // The scanner's text is removed from the other field.
      if (before) {
        before.element.value = before.value;
        before.element.dispatchEvent(new Event("input", { bubbles: true }));
      }
      scan(text);
      return;
    }
    const isNew = pause > PAUSE;
    if (isNew) {
      keys = "";
      slowest = 0;
      isPart = pause < REST;
      before = editable(event.target) ? { element: event.target, value: event.target.value } : null;
    } else slowest = Math.max(slowest, pause);
    last = event.timeStamp;
    keys += event.key;
    // Space would press the button that has the focus.
    if (!isNew && !before && event.key === " ") event.preventDefault();
  }, { capture: true });
}
