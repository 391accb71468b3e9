// Owns the names of the items that scans created: the dialog that names one, and names that were given elsewhere.
import { openById } from "./dialogs.js";
import { explain } from "./forms.js";
import { send } from "./http.js";
import { save } from "./queue.js";
import { records } from "./scan.js";

const dialog = document.getElementById("name-it");
const code = document.getElementById("f-code");
const base = document.documentElement.dataset.base.replace(/\/$/, "");
let named = null;

export function openNaming(record) {
  named = record;
  dialog.querySelector("[data-of]").textContent = record.shown.text;
  dialog.querySelector("form").reset();
  openById("name-it");
}

dialog?.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const target = event.target;
  try {
    const data = new FormData(target);
    const names = document.getElementById("scan-form").dataset.names;
    const response = await send(`${names}/${named.details.item_id}/name`, { method: "POST", data, headers: { accept: "application/json" } });
    const { name } = await response.json();
    await rename(named.details.item_id, { item_name: name, needs_review: false });
    dialog.close();
    code.focus();
  } catch (error) {
    explain(target, error);
  }
});

async function rename(id, changes) {
  const same = [...records.values()].filter((record) => record.details?.item_id === id);
  await save(same.map((record) => ({ ...record, details: { ...record.details, ...changes } })));
}

async function readItem(id) {
  const response = await fetch(`${base}/api/v1/items/${id}`, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(response.status);
  const item = await response.json();
  return item.merged_into_id ? readItem(item.merged_into_id) : item;
}

// Asks for the items of records that wait for a name. Throws without network.
export async function learnNames(unnamed) {
  for (const id of new Set(unnamed.map((record) => record.details.item_id))) {
    const item = await readItem(id);
    const needs_review = item.needs_review && item.is_active;
    if (!needs_review) await rename(id, { item_id: item.id, item_name: item.name, item_code: item.code, needs_review });
  }
}
