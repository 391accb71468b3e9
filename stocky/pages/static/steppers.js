// Owns the −1 and +1 of a stock record: presses are queued, each is booked once, and the server's stock replaces the shown one.
import { find, replace } from "./fragments.js";
import { post } from "./forms.js";

let queue = Promise.resolve();

export function step(form, button) {
  const value = button?.value;
  const action = form.getAttribute("action");
  const key = ["sku_id", "item_id"].map((name) => form.elements[name]?.value).join();
  queue = queue.then(async () => {
    // An earlier answer may have replaced the form that was pressed.
    const same = (each) => each.getAttribute("action") === action && ["sku_id", "item_id"].map((name) => each.elements[name]?.value).join() === key;
    const now = form.isConnected ? form : [...document.querySelectorAll("[data-stepper]")].find(same);
    if (!now) return;
    now.dataset.event ??= "";
    const response = await post(now, [...now.elements].find((each) => each.type === "submit" && each.value === value));
    if (!response) return;
    const name = now.dataset.swap;
    if (find(name)) replace(name, await response.text());
    else location.reload();
  });
  return queue;
}
