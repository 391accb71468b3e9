// Owns the translation of the API's messages about scans; without an answer in time, a message stays English.
import { send } from "./http.js";

const LIMIT = 2000;
const FIELDS = ["reason", "warning"];
const translations = new Map();

// Resolves to the records with their messages in the language of the page.
export async function translate(records) {
  const texts = new Set(records.flatMap((record) => FIELDS.map((field) => record[field])));
  const unknown = [...texts].filter((text) => text && !translations.has(text));
  if (unknown.length) {
    try {
      const response = await send(`${document.documentElement.dataset.base.replace(/\/$/, "")}/scan/messages`, {
        method: "POST",
        data: JSON.stringify({ messages: unknown }),
        headers: { "content-type": "application/json" },
        signal: AbortSignal.timeout?.(LIMIT),
      });
      (await response.json()).messages.forEach((text, index) => translations.set(unknown[index], text));
    } catch { /* The scans were answered: their messages stay English. */ }
  }
  const translated = (record, field) => (record[field] ? { [field]: translations.get(record[field]) ?? record[field] } : {});
  return records.map((record) => Object.assign({ ...record }, ...FIELDS.map((field) => translated(record, field))));
}
