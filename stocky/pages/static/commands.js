// Owns what a scanned text means: a printed command of Stocky, a label's address, or a barcode, which is sent as it was read.
const MODES = ["add", "remove", "move", "count", "lookup"];

function readCommand(text) {
  let command;
  try {
    command = JSON.parse(text);
  } catch {
    return { command: true, text };
  }
  const name = String(command.command).toLowerCase();
  const payload = command.payload ?? {};
  const mode = String(payload.mode).toLowerCase();
  if (name === "set_mode" && MODES.includes(mode)) return { command: true, mode };
  if (name === "undo") return { command: true, undo: true };
  if (name === "set_location") {
    const placeName = payload.name ?? payload.location_name;
    if (placeName !== undefined && placeName !== null) return { command: true, place: { name: String(placeName) } };
    if (payload.location_id === null) return { command: true, place: null };
    if (Number.isSafeInteger(payload.location_id)) return { command: true, place: { id: payload.location_id } };
  }
  return { command: true, text };
}

export function readCode(text) {
  const bare = text.trim();
  if (!bare) return null;
  if (bare.startsWith("{")) return readCommand(bare);
  // The address on a label of an item: its last part is the item's code.
  const label = /^https?:\/\/\S+\/i\/([A-Za-z]{4})\/?$/.exec(bare);
  return { text: label ? label[1].toUpperCase() : bare };
}
