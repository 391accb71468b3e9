// Owns the scan page: the mode, location and amount, the last result, the list of this session, and the sources and meanings of scans.
// Every scan is first stored by queue.js, and is shown as booked only after the server's response.
import { Problem, newEventId, word } from "./http.js";
import { changes, add, again, base, clear, drain, drop, list, others, stopped, user } from "./queue.js";
import { catchScanner } from "./wedge.js";

const form = document.getElementById("scan-form");
const code = document.getElementById("f-code");
const amount = document.getElementById("f-amount");
const locationText = document.getElementById("f-location_id");
const locationId = form.elements.location_id;
const picker = locationText.closest("[data-picker]");
const bar = document.getElementById("locations");
const card = document.getElementById("result");
const lines = document.getElementById("session");
const trouble = document.getElementById("refused");
const main = document.getElementById("main");
// A hand scanner types; a phone's keyboard would only cover the page.
code.inputMode = "none";

const KEY = `scan${base}`;
const MOST_LOCATIONS = 4;
const QUICK = 1500;
// By then the page is shown, and a service worker that can be installed is there.
const SETTLED = 3000;
// How long a printed command waits for the network: one that does not respond in time counts as none.
const PATIENCE = 4000;
// Older bookings do not belong to this session.
const SESSION = 12 * 3600 * 1000;
// The marks of thousands and of decimals.
const [GROUP, DECIMAL] = document.documentElement.lang === "de" ? [".", ","] : [",", "."];
const numbers = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 3, useGrouping: false });
export const number = (value) => numbers.format(Math.abs(value)).replace("-", "\u2212");
// Fetched at the first press: browsers allow no sound before. What is signalled meanwhile is heard when it is there.
let signals;
const signal = (kind) => signals?.then((module) => module?.signal(kind));
for (const type of ["pointerdown", "keydown"]) {
  addEventListener(type, () => {
    signals ??= import("./signals.js").catch(() => { signals = undefined; });
    signals.then((module) => module?.unlock());
  });
}

export const complain = (text) => { import("./toasts.js").then(({ show }) => show(text, "bad")); };
export const soon = () => AbortSignal.timeout?.(PATIENCE);
export const fill = (id, values) => word(id).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const TYPES = { add: "add", remove: "remove", move: "move", count: "set" };
export const isMode = (mode) => Object.hasOwn(TYPES, mode) || mode === "lookup";
const SIGNS = { add: "+", remove: "\u2212", move: "\u2192", set: "=\u00a0" };

// Without storage, what is written lasts for this page.
const read = (storage, key) => {
  try {
    return JSON.parse(window[storage].getItem(key));
  } catch {
    return null;
  }
};
const write = (storage, key, value) => {
  try {
    window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // See above.
  }
};
// Mode and location are of the device. An amount is of the task: it ends with the mode, the tab and the user.
// Devices have these settings stored, and the `shown` of each queued scan: in both, a location stays `place`.
const AMOUNT = `amount-${user}${base}`;
export const remembered = { mode: form.elements.mode.value, place: null, places: [], ...read("localStorage", KEY), amount: read("sessionStorage", AMOUNT) ?? "1" };
export const records = new Map();
// The seq of the scan that the card shows, the code that waits for its counted quantity, and the card that asks for it.
export let shown = null;
export let counting = null;
let question = null;
// What is looked up, and whether the card's "Try again" repeats that.
export let looking = "";
let repeats = false;
// Whether the amount is that of the next scan only, set by a command.
let isNextOnly = false;
// The reason of the last change why nothing is sent; each reason is signalled once.
let heard = "";

function remember() {
  write("localStorage", KEY, remembered);
  write("sessionStorage", AMOUNT, remembered.amount);
}

// --- What is set: mode, location, amount ---------------------------------------------------------------------------

export function setMode(mode) {
  const counts = mode === "count" || remembered.mode === "count";
  if (mode !== remembered.mode) remembered.amount = "1";
  remembered.mode = mode;
  // What a command set for the next scan stays, unless that is a count.
  if (counts || !isNextOnly) showAmount();
  for (const input of form.elements.mode) input.checked = input.value === mode;
  document.querySelector('label[for="f-location_id"]').textContent = word(`location-${mode}`);
  for (const each of form.querySelectorAll("[data-books]")) each.hidden = mode === "lookup";
  // Nothing can be taken from a new location.
  picker.dataset.picker = picker.dataset.picker.replace(/=\w+$/, `=${mode !== "remove"}`);
  cancelCount();
  document.getElementById("book").querySelector("span").textContent = word(mode === "lookup" ? "look-up" : "book");
  remember();
}

export function setLocation(location) {
  remembered.place = location;
  locationId.value = location?.id ?? "";
  locationText.value = locationText.defaultValue = location?.name ?? "";
  locationText.ariaInvalid = null;
  if (location?.id) remembered.places = [location, ...remembered.places.filter((each) => each.id !== location.id)].slice(0, MOST_LOCATIONS);
  remember();
  drawLocations();
}

// A choice, not only a text that was left in the field: it answers the card that asks where the scan goes.
export function chooseLocation(location) {
  setLocation(location);
  const record = records.get(shown);
  if (record?.needsLocation && remembered.mode === "add") sendAgain(record);
}

const sendAgain = (record) => again(record, record.needsLocation && remembered.place);

function showAmount() {
  amount.value = remembered.mode === "count" ? "" : remembered.amount;
  isNextOnly = false;
}

// What the next scan counts, by a command; 0 for the usual amount.
export function setNext(count) {
  if (!count && isNextOnly) showAmount();
  if (!count) return;
  amount.value = String(count);
  isNextOnly = true;
}

function drawLocations() {
  const choices = remembered.places.filter((each) => each.id !== remembered.place?.id).map((location) => {
    const chip = document.getElementById("t-location").content.firstElementChild.cloneNode(true);
    chip.querySelector("span").textContent = location.name;
    chip.addEventListener("click", () => chooseLocation(location));
    return chip;
  });
  bar.replaceChildren(...choices);
  bar.hidden = choices.length === 0 || remembered.mode === "lookup";
}

// As the server reads forms: "1.500" in German may be meant as thousands or as decimals.
const isUnclear = (text) => /^[1-9]\d{0,2}[.,]\d{3}$/.test(text) && text.includes(GROUP);

// The number in the field, which may have a decimal comma; null if empty, NaN for any other text.
function typedAmount(text = amount.value) {
  const plain = text.trim().replace(",", ".");
  if (!plain) return null;
  return !isUnclear(text.trim()) && /^\d+(\.\d{1,3})?$/.test(plain) ? Number(plain) : NaN;
}

// Only an amount that can be booked is remembered.
function setAmount(text) {
  remembered.amount = typedAmount(text) > 0 ? text : "1";
}

// --- The card of the last scan ------------------------------------------------------------------------------------

export function showCard({ mode, sign = "", title, detail = "", tape = "", record = null, href = "", isLookUp = false }) {
  card.dataset.mode = mode;
  const large = card.querySelector(".result-sign");
  const icon = sign ? null : document.getElementById(`t-icon-${mode}`);
  large.replaceChildren(icon ? icon.content.cloneNode(true) : sign);
  card.querySelector(".result-title").textContent = title;
  card.querySelector("[data-detail]").textContent = detail;
  const label = card.querySelector(".tape");
  label.textContent = tape;
  label.hidden = !tape;
  shown = record?.seq ?? null;
  const booked = record?.state === "booked";
  card.querySelector("[data-undo]").hidden = !(booked && record.id);
  const named = card.querySelector("[data-name]");
  if (named) named.hidden = !(booked && record.details?.needs_review);
  const open = card.querySelector("[data-open]");
  open.hidden = !href;
  if (href) open.href = href;
  repeats = isLookUp;
  card.querySelector("[data-again]").hidden = record?.state !== "refused" && !isLookUp;
  card.querySelector("[data-cancel]").hidden = counting === null;
  // The server's button in the card belongs to an earlier scan. What was offered for one, locations.js removes.
  card.querySelector("[form]")?.remove();
  // A tall card moves the field down, below the tabs of a phone.
  if (document.activeElement === code) code.scrollIntoView({ block: "nearest" });
}

export const itemHref = (id) => (id ? `${form.dataset.item}/${id}` : "");
const titleOf = (record) => record.details?.item_name ?? record.shown.text;

function signOf(record) {
  const { type, quantity } = record.event;
  const details = record.details;
  const location = type === "move" ? details?.to_location : details?.location;
  const changed = type === "set" || !location ? quantity : location.delta;
  return `${SIGNS[type]}${number(changed)}`;
}

// A quantity with its unit; pieces have none.
export function measured({ quantity, unit }) {
  return `${quantity < 0 ? "\u2212" : ""}${number(quantity)}${unit && unit !== "piece" ? ` ${unit}` : ""}`;
}

function detailOf(record) {
  const { state, details, shown: { place } } = record;
  // Without the location, the API names the item only.
  if (state === "refused") return record.needsLocation && !place ? word("where-to") : [place ?? "", record.reason].filter(Boolean).join(" \u00b7 ");
  if (state === "waiting") return stopped ? word(`stopped-${stopped}`) : word("sending");
  if (state === "undone") return word("undone");
  const warning = record.warning ? [record.warning] : [];
  if (!details?.location) return [place ?? "", ...warning].filter(Boolean).join(" \u00b7 ");
  const there = details.to_location ?? details.location;
  const values = {
    amount: measured(there),
    location: there.name,
    from: details.location.name,
  };
  return [fill(details.to_location ? "moved" : "there", values), ...warning].join(" \u00b7 ");
}

export function showRecord(record) {
  const mode = { booked: record.shown.mode, waiting: stopped ? "waiting" : "sending", refused: "refused", undone: "undone" }[record.state];
  showCard({
    mode,
    sign: record.state === "refused" || record.state === "undone" ? "" : signOf(record),
    title: titleOf(record),
    detail: detailOf(record),
    tape: record.details?.item_code ?? "",
    record,
    href: itemHref(record.details?.item_id),
  });
  if (record.isRejected && record.event.type === "remove") import("./locations.js").then(({ offer }) => offer(record)).catch(() => {});
}

export function refuse(text, detail, title = text) {
  showCard({ mode: "refused", title, detail });
  signal("refused");
}

// --- The list ----------------------------------------------------------------------------------------------------

function makeLine(record) {
  const line = document.getElementById("t-line").content.firstElementChild.cloneNode(true);
  const { state, details } = record;
  line.dataset.seq = record.seq;
  line.classList.toggle("undone", state === "undone");
  const sign = line.querySelector(".sign");
  sign.dataset.mode = state === "waiting" || state === "refused" ? state : record.shown.mode;
  sign.textContent = signOf(record);
  const link = line.querySelector(".event-title a");
  if (details) {
    link.href = itemHref(details.item_id);
    link.textContent = titleOf(record);
  } else {
    link.replaceWith(titleOf(record));
  }
  line.querySelector("[data-detail]").textContent = detailOf(record);
  const time = line.querySelector("time");
  time.dateTime = record.at;
  time.title = record.at;
  time.textContent = new Date(record.at).toLocaleTimeString();
  for (const [action, allowed] of [
    ["undo", state === "booked" && Boolean(record.id)],
    ["name", state === "booked" && details?.needs_review],
    ["drop", state === "refused" || (state === "waiting" && !record.tried)],
    ["again", state === "refused"],
  ]) {
    const button = line.querySelector(`[data-${action}]`);
    if (!button) continue;
    if (!allowed) button.remove();
    else if (button.title) button.setAttribute("aria-label", `${button.title}: ${titleOf(record)}`);
  }
  return line;
}

function putLine(record) {
  records.set(record.seq, record);
  const target = record.state === "refused" ? trouble.querySelector("ol") : lines;
  const old = main.querySelector(`[data-seq="${record.seq}"]`);
  const focused = old?.contains(document.activeElement);
  const line = makeLine(record);
  if (old?.parentElement === target) old.replaceWith(line);
  else {
    old?.remove();
    const after = [...target.children].find((each) => Number(each.dataset.seq) < record.seq);
    target.insertBefore(line, after ?? null);
  }
  import("./times.js").then(({ localize }) => localize(line), () => {});
  if (focused) (line.querySelector("button") ?? code).focus();
}

function tidy() {
  trouble.hidden = !trouble.querySelector("li");
  document.getElementById("no-scans").hidden = lines.children.length > 0;
  document.getElementById("clear").hidden = lines.children.length === 0;
  const notice = document.getElementById("stopped");
  const waiting = [...records.values()].filter((record) => record.state === "waiting").length;
  notice.hidden = !stopped || !waiting;
  notice.querySelector("[data-why]").textContent = stopped ? word(`stopped-${stopped}`) : "";
  notice.querySelector("[data-count]").textContent = fill("waits", { count: waiting });
  notice.querySelector("a").hidden = stopped !== "sign-in";
}

changes.addEventListener("change", ({ detail }) => {
  const news = detail.map((record) => [record, records.get(record.seq)?.state]);
  for (const record of detail) putLine(record);
  // Waiting lines show the reason.
  if (!detail.length) for (const record of records.values()) if (record.state === "waiting") putLine(record);
  const fresh = news.filter(([record, before]) => before === "waiting" && record.state !== before).map(([record]) => record);
  const last = fresh.at(-1);
  const bad = fresh.findLast?.((record) => record.state === "refused");
  if (bad) signal("refused");
  else if (last) signal(last.shown.mode);
  if (shown !== null) {
    // The responses to several scans arrive together: show the last rejected scan, else the last one.
    const record = bad ?? records.get(shown);
    if (record) showRecord(record);
  }
  // Not while somebody types elsewhere.
  if (bad?.needsLocation && !remembered.place?.id && [code, document.body].includes(document.activeElement)) {
    // With the suggestions, of which one may add the location.
    if (remembered.place) locationText.ariaInvalid = "true";
    locationText.focus();
  }
  if (stopped && !heard && shown !== null && records.get(shown)?.state === "waiting") signal("waiting");
  heard = stopped;
  tidy();
});

// --- A scan --------------------------------------------------------------------------------------------------------

// What scanners put around a code, and the AIM identifier before it: as AROUND and AIM of stocky/barcodes/codes.py.
const AROUND = "\\u0001-\\u0020\\u007f-\\u00a0\\u00ad\\u1680\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2402-\\u2404\\u2409\\u240a\\u240d\\u241d\\u241e\\u3000\\ufeff";
const before = new RegExp(`^[${AROUND}]*(?:\\][A-Za-z][0-9A-Za-z][${AROUND}]*(?!\\]|$))?`);
const after = new RegExp(`[${AROUND}]+$`);

// What may be a printed command: commands.js is loaded for the first one. What is scanned after it waits until it is done.
// Both are in `held`, in order, and in the storage of the tab, for when the page is left meanwhile.
const PRINTED = /^(\{|STOCK[YZ])/i;
const HELD = `held-${user}${base}`;
const held = read("sessionStorage", HELD) ?? [];
let isRunning = false;
const bareOf = (text) => text.replace(after, "").replace(before, "");

// A scanned text: a printed command, a label's address, or a barcode, which is sent as it was read.
export async function scan(text) {
  if (amount.ariaInvalid) {
    amount.ariaInvalid = null;
    code.value = "";
  }
  const bare = bareOf(text);
  if (!bare) return undefined;
  const scanned = { text, event_id: newEventId(), occurred_at: new Date().toISOString() };
  // Without a command before it, a code is booked at once: the focus follows from that.
  if (!held.length && !PRINTED.test(bare)) return take(scanned);
  if (held.length) showCard({ mode: "sending", title: bare, detail: word("sending") });
  held.push(scanned);
  return runHeld();
}

async function runHeld() {
  write("sessionStorage", HELD, held);
  if (isRunning) return;
  isRunning = true;
  while (held.length && (await runOne(held[0]))) {
    held.shift();
    write("sessionStorage", HELD, held);
  }
  isRunning = false;
}

// False if it is not known what a printed command means: it and what follows wait for the next scan or the next page.
async function runOne(scanned) {
  const bare = bareOf(scanned.text);
  let commands;
  if (PRINTED.test(bare)) {
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
    commands = await Promise.race([import("./commands.js"), late]).catch(() => {});
    if (!commands) {
      showCard({ mode: "waiting", title: bare, detail: word("stopped-offline") });
      signal("waiting");
      return false;
    }
  }
  try {
    if (!(await commands?.obey(bare))) await take(scanned);
  } catch {
    refuse(word("failed"), scanned.text);
  }
  return true;
}

// Where what waits is booked, instead of at the location that is set.
export function direct(at) {
  for (const each of held) each.at = at;
}

// Looks up a code or books it.
function take({ text, ...scanned }) {
  // The focus may still be in the field: what was typed there has not been chosen yet.
  takeTypedLocation();
  // The address on an item's label: its last part is the item's code.
  const label = /^https?:\/\/\S+\/i\/([A-Za-z]{4})\/?$/.exec(bareOf(text));
  const wanted = label ? label[1].toUpperCase() : text.trim();
  if (remembered.mode !== "lookup") return book(wanted, scanned);
  lookUp(wanted);
  return undefined;
}

const referTo = ({ id, name }) => (id ? { id } : { name });

async function book(text, { at = remembered.place, ...scanned }) {
  const { mode } = remembered;
  if (counting !== null && text !== counting) return refuseSecond(text);
  const quantity = typedAmount();
  if (Number.isNaN(quantity) || (quantity === 0 && mode !== "count")) {
    const typed = amount.value.trim();
    const either = { number: typed.replace(GROUP, ""), other: typed.replace(GROUP, DECIMAL), sign: GROUP };
    refuse(isUnclear(typed) ? fill("unclear-amount", either) : word("bad-amount"), text);
    // The code stays: Enter books it with the corrected amount.
    code.value = text;
    amount.ariaInvalid = "true";
    amount.focus();
    amount.select();
    return;
  }
  if (mode === "move" && !at) return refuse(word("choose-location"), word("location-move"));
  if (mode === "count" && quantity === null) return askCount(text);
  const event = { type: TYPES[mode], item: { upc: text }, quantity: quantity ?? 1, ...scanned };
  if (at) event[mode === "move" ? "to_location" : "location"] = referTo(at);
  counting = null;
  if (mode === "count" || isNextOnly) showAmount();
  try {
    const record = await add(event, { mode, text, place: at?.name });
    putLine(record);
    showRecord(record);
    tidy();
    setTimeout(() => records.get(record.seq)?.state === "waiting" && shown === record.seq && showSlow(record), QUICK);
  } catch {
    refuse(word("cannot-keep"), text);
  }
  return undefined;
}

function showSlow(record) {
  showRecord(records.get(record.seq));
  if (!stopped) card.dataset.mode = "waiting";
}

function askCount(text) {
  counting = text;
  ask({ title: text });
  signal("count");
  amount.value = "";
  amount.focus();
  lookUp(text, true);
}

export function ask(about) {
  question = { mode: "count", sign: "=\u00a0?", detail: word("how-many-counted"), ...about };
  showCard(question);
}

// While one code waits for its quantity, another one is not booked, and the question stays.
function refuseSecond(text) {
  showCard(question);
  signal("refused");
  complain(fill("count-first", { code: text, name: question.title }));
  amount.focus();
}

function cancelCount() {
  if (counting === null) return;
  counting = null;
  showCard({ mode: "ready", title: word("ready") });
}

// Shows it in the card, or with `asks` in the question how many there are.
async function lookUp(text, asks = false) {
  looking = text;
  if (!asks) showCard({ mode: "sending", title: text, detail: word("sending") });
  try {
    await (await import("./lookup.js")).show(text, asks);
  } catch (error) {
    if (asks || looking !== text) return;
    const detail = error instanceof Problem ? error.message : word("network");
    showCard({ mode: "refused", title: word("no-look-up"), detail, tape: text, isLookUp: true });
    signal("refused");
  }
}

// --- Where scans come from ------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = code.value || counting || "";
  code.value = "";
  if (text.trim()) scan(text);
  if (!counting && !amount.ariaInvalid) code.focus();
});
// The next scan replaces a code that was left there.
code.addEventListener("focus", () => code.select());
catchScanner(code, scan);

form.addEventListener("change", ({ target, detail }) => {
  if (target.name === "mode") {
    setMode(target.value);
    drawLocations();
  } else if (locationId.value === "new" && target === locationId) {
    locationId.value = "";
    const name = locationText.value;
    import("./locations.js").then(({ addLocation }) => addLocation(name), () => complain(word("network")));
  } else if (target === locationId) (detail === "left" ? setLocation : chooseLocation)({ id: Number(locationId.value), name: locationText.value });
  else if (target === amount && remembered.mode !== "count") {
    setAmount(amount.value);
    isNextOnly = false;
    remember();
  }
});
// After a tap on a location the next keys come from the scanner, as below.
document.getElementById(locationText.getAttribute("aria-controls")).addEventListener("click", (event) => {
  if (event.detail > 0 && event.target.closest('[role="option"]')) code.focus({ preventScroll: true });
});
locationText.addEventListener("focus", () => locationText.select());
// Emptied: no location. Text without a choice from the list: the server finds the location of that name, or refuses.
function takeTypedLocation() {
  const name = locationText.value.trim();
  if (name !== (remembered.place?.name ?? "")) setLocation(name ? { name } : null);
}
locationText.addEventListener("blur", ({ relatedTarget }) => {
  // Drawn again, a chip would lose the press.
  if (!bar.contains(relatedTarget)) setTimeout(takeTypedLocation);
});

main.addEventListener("click", async (event) => {
  // After a tap the code field gets the focus, for the scanner's keys; keyboard users keep their focus.
  if (event.detail > 0 && event.target.closest(".modes, #locations, button") && !event.target.closest("dialog")) {
    if (!document.querySelector("dialog[open]")) code.focus({ preventScroll: true });
  }
  const button = event.target.closest("button:is([data-undo], [data-drop], [data-again], [data-cancel], [data-name])");
  if (!button) return;
  if ("cancel" in button.dataset) {
    cancelCount();
    return code.focus();
  }
  if ("again" in button.dataset && repeats && card.contains(button)) return lookUp(looking);
  const seq = button.closest("[data-seq]") ? Number(button.closest("[data-seq]").dataset.seq) : shown;
  const record = records.get(seq);
  if (!record) return;
  const offline = () => complain(word("network"));
  if ("undo" in button.dataset) import("./undo.js").then(({ undo }) => undo(record), offline);
  else if ("name" in button.dataset) import("./naming.js").then(({ openNaming }) => openNaming(record), offline);
  else if ("again" in button.dataset) sendAgain(record);
  else {
    await forget(seq);
    if (!event.detail) code.focus();
  }
});

export async function forget(seq) {
  const kept = await drop(seq);
  if (kept) {
    // A cached page may show an earlier state.
    putLine(kept);
    if (shown === seq) showRecord(kept);
    return complain(word("may-be-booked"));
  }
  main.querySelector(`[data-seq="${seq}"]`)?.remove();
  records.delete(seq);
  if (shown === seq) showCard({ mode: "ready", title: word("ready") });
  return tidy();
}

document.getElementById("clear").addEventListener("click", async () => {
  await clear();
  for (const [seq, record] of records) {
    if (record.state !== "booked" && record.state !== "undone") continue;
    main.querySelector(`[data-seq="${seq}"]`)?.remove();
    records.delete(seq);
  }
  tidy();
});

const keyboard = document.getElementById("keyboard");
keyboard.addEventListener("click", () => {
  const on = code.inputMode === "none";
  code.inputMode = on ? "text" : "none";
  keyboard.setAttribute("aria-pressed", String(on));
  code.blur();
  code.focus();
});

// A tap into the field brings up the on-screen keyboard.
code.addEventListener("pointerdown", ({ pointerType }) => {
  if (pointerType === "touch" && code.inputMode === "none") keyboard.click();
});

amount.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || counting === null) return;
  cancelCount();
  code.focus();
});

// Items that were named, merged or hidden on another page or device get their new name here; nothing changes without network.
function learnNames() {
  const unnamed = [...records.values()].filter((record) => record.details?.needs_review);
  if (unnamed.length) import("./naming.js").then((naming) => naming.learnNames(unnamed)).catch(() => {});
}
document.addEventListener("visibilitychange", () => document.hidden || learnNames());

// --- Camera ----------------------------------------------------------------------------------------------------------

// In the card: a message in the corner would cover the button for a photo. A question stays there.
const report = (text) => (counting === null ? refuse(text, "") : complain(text));
const camera = document.getElementById("camera-button");
const photo = document.getElementById("photo-button");
const serverDecodes = "decode" in document.getElementById("camera").dataset;
const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia);
// Plain http gives no video, but a photo can be read by the server.
camera.hidden = !(hasCamera && (serverDecodes || "BarcodeDetector" in window));
photo.hidden = hasCamera || !serverDecodes;
camera.addEventListener("click", () => import("./camera.js").then(({ toggle }) => toggle(scan, report)));
photo.addEventListener("click", () => document.getElementById("photo").click());
document.getElementById("photo").addEventListener("change", () => import("./camera.js").then(({ readPhoto }) => readPhoto(scan, report)));

// --- Start -----------------------------------------------------------------------------------------------------------

// The location in the address. The form of a cached page may have another one.
function locationOf(text) {
  const id = Number(text);
  if (!Number.isInteger(id) || id < 1) return null;
  if (Number(locationId.value) === id) return { id, name: locationText.value };
  return remembered.places.find((each) => each.id === id) ?? { id, name: fill("location-number", { id }) };
}

// In case the network is gone later; a service worker has them stored.
function loadRest() {
  if (navigator.serviceWorker?.controller) return;
  import("./times.js");
  import("./signals.js");
  import("./toasts.js");
  import("./commands.js");
  import("./lookup.js");
  import("./locations.js");
}

async function start() {
  // What was scanned before the page was loaded is for what was set then.
  const given = new URLSearchParams(held.length ? "" : window.location.search);
  const mode = given.get("mode")?.toLowerCase();
  setMode(isMode(mode) ? mode : remembered.mode);
  if (given.has("amount")) {
    setAmount(given.get("amount").slice(0, 20));
    showAmount();
  }
  setLocation(given.has("location_id") ? locationOf(given.get("location_id")) : remembered.place);
  try {
    await clear(0, Date.now() - SESSION);
    const known = await list();
    for (const record of known) putLine(record);
    const waiting = known.filter((record) => record.state === "waiting");
    if (waiting.length) showRecord(waiting.at(-1));
    const foreign = await others();
    const notice = document.getElementById("others");
    notice.hidden = foreign === 0;
    notice.querySelector("p").textContent = fill("others", { count: foreign });
  } catch {
    document.getElementById("no-store").hidden = false;
  }
  tidy();
  drain();
  runHeld();
  learnNames();
  form.dataset.ready = "";
  setTimeout(loadRest, SETTLED);
  code.focus({ preventScroll: true });
}
start();
