// Owns what the scan page asks about locations: where else the item of a refused removal is, to take it from there, and new ones.
import { Problem, send, word } from "./http.js";
import { again } from "./queue.js";
import { chooseLocation, complain, shown, soon } from "./scan.js";

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

// Adds the location of this name or path, and chooses it. A scan meanwhile names it, and is sent again if it came before.
export async function addLocation(field) {
  const name = field.value;
  try {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const response = await send(form.dataset.location, { method: "POST", data: JSON.stringify({ name }), headers, signal: soon() });
    const added = await response.json();
    if (field.value === name) chooseLocation(added);
  } catch (error) {
    complain(error instanceof Problem ? error.message : word("network"));
  }
}
