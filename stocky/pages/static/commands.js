// Owns printed commands, as JSON or as short codes: what they mean, and how the scan page obeys them.
import { send, word } from "./http.js";
import { direct, fill, forget, isMode, number, records, refuse, remembered, setLocation, setMode, setNext, showCard, soon } from "./scan.js";
import { signal } from "./signals.js";
import { undo } from "./undo.js";

// Obeys a printed command; false for another text, such as JSON that is no command, which is a barcode.
export async function obey(text) {
  const command = text.startsWith("{") ? readJson(text) : readShort(text);
  if (!command) return false;
  const { mode, location, next } = command;
  if (mode) {
    setMode(mode);
    ready(word(`mode-${mode}`), remembered.place?.name);
  } else if (command.undo) {
    const last = [...records.values()].filter(({ state }) => state === "booked" || state === "waiting").sort((a, b) => b.seq - a.seq)[0];
    if (!last) refuse(word("nothing-to-undo"), "");
    else if (last.state === "booked") await undo(last);
    else await forget(last.seq);
  } else if (next !== undefined) {
    setNext(next);
    ready(next ? fill("next-scan", { number: number(next) }) : word("next-usual"), word(`mode-${remembered.mode}`));
  } else if (location === null) {
    direct();
    setLocation(null);
    ready(word("no-location"));
  } else if (location) {
    await goTo(location);
  } else refuse(word("unknown-command"), command.text);
  return true;
}

function ready(title, detail) {
  showCard({ mode: "ready", title, detail });
  signal("set");
}

// Sets the location that a label names by id or name. Without network, only one that was used before is known by name.
async function goTo(wanted) {
  let location = remembered.places.find((each) => each.id === wanted.id || each.name === wanted.name);
  let reason = wanted.name;
  try {
    const query = wanted.id ? `id=${wanted.id}` : `name=${encodeURIComponent(wanted.name)}`;
    const { dataset } = document.getElementById("scan-form");
    location = await (await send(`${dataset.location}?${query}`, { signal: soon() })).json();
  } catch (error) {
    if (error.isRefusal) [location, reason] = [null, error.message];
    else if (wanted.id) location ??= { id: wanted.id, name: fill("location-number", wanted) };
  }
  // What was scanned behind a refused label is not for the location before it: it is sent as the label's, and refused.
  direct(location ? undefined : wanted);
  if (!location) return refuse(word("unknown-location"), reason);
  setLocation(location);
  return ready(location.name, word(`mode-${remembered.mode}`));
}

// What a command sets or does; of one that the page does not know its text. Null for another text.
function readJson(text) {
  let command;
  try {
    command = JSON.parse(text);
  } catch {
    return text.includes('"command"') ? { text } : null;
  }
  if (command?.command === undefined) return null;
  const name = String(command.command).toLowerCase();
  const payload = command.payload ?? {};
  const mode = String(payload.mode).toLowerCase();
  if (name === "set_mode" && isMode(mode)) return { mode };
  if (name === "undo") return { undo: true };
  const { quantity } = payload;
  // 0 or null clears it.
  if (name === "set_next_quantity" && (quantity === null || Number.isFinite(quantity)) && quantity >= 0) return { next: quantity ?? 0 };
  if (name === "set_location") {
    const locationName = payload.name ?? payload.location_name;
    if (locationName !== undefined && locationName !== null) return { location: { name: String(locationName) } };
    if (payload.location_id === null) return { location: null };
    if (Number.isSafeInteger(payload.location_id)) return { location: { id: payload.location_id } };
  }
  return { text };
}

// The short code of a printed command, as stocky/barcodes/command_codes.py makes it; null for another text. A code whose
// check letters are wrong, and one that another keyboard layout typed, are sent, and the server says what is wrong.
const DIGITS = "BCDFGHJKLN";
const LETTERS = "BCDEFGHJKLNOPRSTUVX";
const MODES = { PUT: "add", OUT: "remove", RELOC: "move", LOOKUP: "lookup", COUNT: "count" };
function readShort(text) {
  const found = /^STOCK[YZ]((PUT|OUT|RELOC|LOOKUP|COUNT|NOLOC|LOC|NEXT|FOR|UNDO)([BCDFGHJKLN]{0,16}))([A-Z]{2})$/.exec(text.toUpperCase());
  if (!found) return null;
  const [, body, name, digits, check] = found;
  const value = [...body].reduce((sum, letter) => (sum * 29 + LETTERS.indexOf(letter) + 1) % LETTERS.length ** 2, 0);
  if (check !== LETTERS[Math.floor(value / LETTERS.length)] + LETTERS[value % LETTERS.length]) return null;
  const number = Number([...digits].map((letter) => DIGITS.indexOf(letter)).join(""));
  if (MODES[name]) return { mode: MODES[name] };
  if (name === "UNDO") return { undo: true };
  if (name === "NOLOC") return { location: null };
  if (name === "LOC") return { location: { id: number } };
  if (name === "NEXT") return { next: number };
  return { text };
}
