// Owns the look-up of a code: its item and the stock of it, on the card or in the question how many there are.
import { send, word } from "./http.js";
import { ask, counting, fill, itemHref, looking, measured, number, showCard, soon } from "./scan.js";
import { signal } from "./signals.js";

const { lookUp } = document.getElementById("scan-form").dataset;

export async function show(text, asks) {
  const options = { method: "POST", data: JSON.stringify({ upc: text }), headers: { "content-type": "application/json", accept: "application/json" }, signal: soon() };
  const found = await (await send(lookUp, options)).json();
  if (looking !== text) return;
  if (asks) {
    if (counting === text) ask({ title: found.title, tape: found.code, href: itemHref(found.item_id) });
    return;
  }
  signal(found.item_id ? "lookup" : "refused");
  const where = found.stock.map((each) => fill("there", { amount: measured(each), location: each.location })).join(" \u00b7 ");
  showCard({
    mode: found.item_id ? "lookup" : "refused",
    sign: found.item_id ? `${found.quantity < 0 ? "\u2212" : ""}${number(found.quantity)}` : "",
    title: found.item_id ? found.title : fill("unknown", { code: text }),
    detail: found.item_id ? where || word("none-anywhere") : word("unknown-hint"),
    tape: found.code,
    href: itemHref(found.item_id),
  });
}
