// Owns what the scan page asks about locations: where else the item of a refused removal is, to take it from there, and new ones.
import { Problem, send, word } from "./http.js";
import { again } from "./queue.js";
import { chooseLocation, complain, records, shown, soon } from "./scan.js";

const form = document.getElementById("scan-form");
const card = document.getElementById("result");
const code = document.getElementById("f-code");
const field = document.getElementById("f-location_id");
// The fragment, or the request for it, of each event_id: the card is drawn again with each change of any scan.
const found = new Map();

// The event_id of the refused scan that the card shows.
const current = () => (card.dataset.mode === "refused" ? records.get(shown)?.event.event_id : undefined);

// With another card what was offered goes; with the same one it stays, also with the focus in it.
new MutationObserver(() => {
  for (const each of card.querySelectorAll("[data-offer]")) if (each.dataset.offer !== current()) each.remove();
}).observe(card, { attributeFilter: ["data-mode"] });

// A background request: when the session has ended, it does not lead to the sign-in.
const find = ({ item, location, quantity }) => send(`${form.action}/elsewhere`, {
  method: "POST",
  fragment: "elsewhere",
  data: JSON.stringify({ upc: item.upc, location, quantity }),
  headers: { "content-type": "application/json" },
  signal: soon(),
  stays: true,
}).then((response) => response.text());

export async function offer(record) {
  const id = record.event.event_id;
  if (!found.has(id)) found.set(id, find(record.event));
  const template = document.createElement("template");
  template.innerHTML = await found.get(id);
  if (current() !== id || card.querySelector("[data-offer]")) return;
  const [text, ...buttons] = template.content.children;
  if (!text) return;
  for (const each of [text, ...buttons]) each.dataset.offer = id;
  card.querySelector("[data-detail]").after(text);
  // After the other buttons, so that none of them moves while the user presses it.
  card.querySelector(".actions").append(...buttons);
  for (const button of buttons) {
    const { from, location: name } = button.dataset;
    button.addEventListener("click", ({ detail }) => {
      again(record, { id: Number(from), name });
      // The button goes; after a tap the field has the focus already.
      if (!detail) code.focus();
    });
  }
}

// Adds the location of this name or path, and chooses it. A scan meanwhile names it, and is sent again if it came before.
export async function addLocation(name) {
  try {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const response = await send(form.dataset.location, { method: "POST", data: JSON.stringify({ name }), headers, signal: soon() });
    const added = await response.json();
    if (field.value === name) chooseLocation(added);
  } catch (error) {
    complain(error instanceof Problem ? error.message : word("network"));
  }
}
