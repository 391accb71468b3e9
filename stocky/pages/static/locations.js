// Owns what the card of a refused removal offers: where else the item is, and to take it from there.
import { send } from "./http.js";
import { again } from "./queue.js";
import { shown, soon } from "./scan.js";

const form = document.getElementById("scan-form");
const card = document.getElementById("result");

export async function offer(record) {
  const { item, location } = record.event;
  const response = await send(`${form.action}/elsewhere`, {
    method: "POST",
    fragment: "elsewhere",
    data: JSON.stringify({ upc: item.upc, location }),
    headers: { "content-type": "application/json" },
    signal: soon(),
  });
  const found = document.createElement("template");
  found.innerHTML = await response.text();
  if (shown !== record.seq || card.dataset.mode !== "refused") return;
  for (const each of card.querySelectorAll("[data-offer]")) each.remove();
  const [text, ...buttons] = found.content.children;
  if (!text) return;
  for (const each of [text, ...buttons]) each.dataset.offer = "";
  card.querySelector("[data-detail]").after(text);
  card.querySelector(".actions").prepend(...buttons);
  for (const button of buttons) {
    const { from, location: name } = button.dataset;
    button.addEventListener("click", () => again(record, { id: Number(from), name }));
  }
}
