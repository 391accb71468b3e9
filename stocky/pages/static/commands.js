// Owns what printed commands mean, as JSON or as short codes; it books and shows nothing.

// A printed command of Stocky as what it sets or does; one that the page does not know as its text. Null for another text,
// such as JSON that is no command, which is a barcode.
export function readCommand(text, isMode) {
  return text.startsWith("{") ? readJson(text, isMode) : readShort(text);
}

function readJson(text, isMode) {
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
  if (name === "set_next_quantity" && payload.quantity > 0) return { next: Number(payload.quantity) };
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
