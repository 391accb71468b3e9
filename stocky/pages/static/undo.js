// Owns the undo of a scan, by a button or a printed command.
import { newEventId, send, word } from "./http.js";
import { save } from "./queue.js";
import { complain, showRecord, soon } from "./scan.js";
import { signal } from "./signals.js";

export async function undo(record) {
  if (record.state !== "booked" || !record.id) return;
  // Stored before it is sent, so that a repeated undo counts once.
  const undone = { ...record, undo_id: record.undo_id ?? newEventId() };
  await save([undone]);
  const data = new FormData();
  data.set("undo_id", undone.undo_id);
  // After a restore, another event may have this record's id.
  data.set("scan_event_id", record.event.event_id);
  try {
    const { events } = document.getElementById("scan-form").dataset;
    await send(`${events}/${record.id}/undo`, { method: "POST", data, headers: { accept: "application/json" }, signal: soon() });
  } catch (error) {
    // The server stores a refusal under its undo_id: a later undo is a new one.
    if (error.isRefusal) await save([{ ...undone, undo_id: undefined }]);
    signal("refused");
    return complain(error.message || word("failed"));
  }
  const after = { ...undone, state: "undone" };
  await save([after]);
  showRecord(after);
  return signal("undone");
}
