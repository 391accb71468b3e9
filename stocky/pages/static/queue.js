// Owns the scans of this device: each is stored before it is sent; they are sent in order by POST /events, and each counts once.
// A record: seq, user, at, event (what is sent, never changed once it was), shown (for its line), state, tried, id,
// details, reason, isRejected.
// States: waiting, booked (only after a response), refused (with its reason), undone. Other users' records are not sent.
import { isRefusal, newEventId } from "./http.js";

const STORE = "scans";
const MOST = 100;
const KEPT = 50;
const ANSWER_WITHIN = 20000;
const RETRIES = [2000, 5000, 15000, 30000];

const root = document.documentElement;
const token = document.querySelector('meta[name="csrf"]');
export const user = Number(token.dataset.user);
// Several Stockies may share a host, each below its base path: what a device stores for one has the path in its name.
export const base = root.dataset.base.replace(/\/$/, "");
const NAME = `stocky${base}`;
const QUEUE = `stocky-queue${base}`;
export const changes = new EventTarget();
// Why nothing is sent: "" (it is), offline, busy, sign-in, other-user, or forbidden.
export let stopped = "";

let opening;
function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "seq", autoIncrement: true });
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opening;
}

// Runs `work` in one transaction; resolves to its result when the transaction is durable.
async function within(mode, work) {
  const begin = async () => (await database()).transaction(STORE, mode, { durability: "strict" });
  // A connection that was lost or could not be opened is opened again.
  const transaction = await begin().catch(() => {
    opening = null;
    return begin();
  });
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
  const result = work(transaction.objectStore(STORE));
  await done;
  return result?.result;
}

const all = () => within("readonly", (store) => store.getAll());
const mine = (record) => record.user === user;
const waits = (record) => record.state === "waiting";

export async function list() {
  return (await all()).filter(mine);
}

// How many scans of other users wait here.
export async function others() {
  return (await all()).filter((record) => !mine(record) && waits(record)).length;
}

const channel = "BroadcastChannel" in window ? new BroadcastChannel(QUEUE) : null;
const tell = (records) => changes.dispatchEvent(new CustomEvent("change", { detail: records }));
channel?.addEventListener("message", ({ data }) => tell(data.filter(mine)));

function announce(records) {
  tell(records);
  channel?.postMessage(records);
}

async function count() {
  let waiting;
  try {
    waiting = (await list()).filter(waits).length;
    localStorage.setItem(`waiting-${user}${base}`, String(waiting));
  } catch {
    // Without storage the pill shows on this page only, or the number from before: the scans themselves are stored.
  }
  const pill = document.getElementById("waiting");
  if (pill && waiting !== undefined) {
    pill.querySelector("b").textContent = String(waiting);
    pill.hidden = waiting === 0;
  }
}

// Stores a scan; resolves when it is durable.
export async function add(event, shown) {
  const record = { user, at: event.occurred_at, event, shown, state: "waiting", tried: false };
  record.seq = await within("readwrite", (store) => store.add(record));
  await count();
  drain();
  return record;
}

export async function save(records) {
  await within("readwrite", (store) => {
    for (const record of records) store.put(record);
  });
  announce(records);
  await count();
}

// Deletes a scan that was refused or never sent. Any other is booked or may be: resolves to its current record.
export async function drop(seq) {
  let kept;
  await within("readwrite", (store) => {
    const request = store.get(seq);
    request.onsuccess = () => {
      const record = request.result;
      if (!record || !mine(record)) return;
      if (record.state === "refused" || (waits(record) && !record.tried)) store.delete(seq);
      else kept = record;
    };
  });
  await count();
  return kept;
}

// Deletes booked and undone scans except the last `keep`; waiting and refused ones stay.
export async function clear(keep = 0, before = Infinity) {
  await within("readwrite", (store) => {
    const request = store.getAll();
    request.onsuccess = () => {
      const done = request.result.filter((record) => mine(record) && (record.state === "booked" || record.state === "undone"));
      for (const record of done.slice(0, Math.max(0, done.length - keep))) if (Date.parse(record.at) < before) store.delete(record.seq);
    };
  });
}

// Sends a refused scan again. A rejected event was not booked, and its event_id stays rejected: it gets a new one.
// A refusal of the whole request does not show whether an earlier attempt was booked: then the event_id stays.
// `place`: the location to send a rejected one for instead.
export async function again({ seq }, place = null) {
  const changed = [];
  await within("readwrite", (store) => {
    const request = store.get(seq);
    request.onsuccess = () => {
      const record = request.result;
      if (record?.state !== "refused" || !mine(record)) return;
      const { isRejected } = record;
      const event = { ...record.event };
      if (isRejected) {
        event.event_id = newEventId();
        // The clock was wrong, and is not any more.
        const now = new Date().toISOString();
        if (event.occurred_at > now) event.occurred_at = now;
      }
      if (place && isRejected) {
        event.location = place.id ? { id: place.id } : { name: place.name };
        record.shown.place = place.name;
      }
      changed.push({ ...record, event, at: event.occurred_at, state: "waiting", tried: !isRejected, isRejected: false, needsLocation: false, reason: "" });
      store.put(changed[0]);
    };
  });
  announce(changed);
  await count();
  drain();
}

// The first waiting scans, marked as tried in the same transaction: a deleted scan is never sent, a sent one never deleted.
async function take(most) {
  const batch = [];
  const fresh = [];
  await within("readwrite", (store) => {
    const request = store.getAll();
    request.onsuccess = () => {
      for (const record of request.result.filter((each) => mine(each) && waits(each)).slice(0, most)) {
        batch.push(record);
        if (record.tried) continue;
        record.tried = true;
        store.put(record);
        fresh.push(record);
      }
    };
  });
  if (fresh.length) announce(fresh);
  return batch;
}

let draining = null;
let more = false;
let timer;
let failures = 0;

// Sends the waiting scans in order, one request at a time in all pages of a browser with locks; else the server detects repeats.
export function drain() {
  more = true;
  draining ??= (navigator.locks ? navigator.locks.request(QUEUE, run) : run())
    .catch(() => later("offline"))
    .finally(() => {
      draining = null;
      if (more && !stopped) drain();
    });
  return draining;
}

async function run() {
  clearTimeout(timer);
  // Check the connection with a request that may be lost: a scan that was sent may be booked, and cannot be deleted.
  if (stopped || !navigator.onLine) {
    const why = await renew();
    if (why) return later(why);
  }
  let most = MOST;
  while (more) {
    more = false;
    const batch = await take(most);
    if (!batch.length) break;
    const answer = await post(batch.map((record) => record.event));
    if (answer.stopped) return later(answer.stopped);
    // One of them is invalid: send each alone.
    if (answer.refusal && batch.length > 1) most = 1;
    else if (answer.refusal) await settle([{ ...batch[0], state: "refused", reason: answer.refusal }]);
    else await settle(batch.map((record, index) => answered(record, answer.results[index])));
    stopped = "";
    failures = 0;
    more = true;
  }
  stopped = "";
  await clear(KEPT);
  return undefined;
}

// Stores responses. Without locks another page may have had one and sent the scan again: then a late one does not count.
async function settle(answers) {
  const current = [];
  const records = await translated(answers);
  await within("readwrite", (store) => {
    for (const record of records) {
      const request = store.get(record.seq);
      request.onsuccess = () => {
        const now = request.result;
        if (!now || !waits(now) || now.event.event_id !== record.event.event_id) return;
        store.put(record);
        current.push(record);
      };
    }
  });
  announce(current);
  await count();
}

function answered(record, result) {
  if (result.status === "rejected") {
    // The API's words, before they are translated.
    const needsLocation = record.event.type === "add" && /^Name the location:|^There is no active location named |names \d+ locations: /.test(result.reason);
    return { ...record, state: "refused", reason: result.reason, isRejected: true, needsLocation };
  }
  return { ...record, state: "booked", id: result.id, details: result.details ?? null, warning: result.warning ?? "" };
}

// The API's messages are English.
const translated = (records) => document.documentElement.lang === "en"
  ? records : import("./messages.js").then(({ translate }) => translate(records), () => records);

function later(reason) {
  stopped = reason;
  more = false;
  clearTimeout(timer);
  if (reason === "offline" || reason === "busy") timer = setTimeout(drain, RETRIES[Math.min(failures++, RETRIES.length - 1)]);
  announce([]);
}

async function ask(path, options) {
  const control = new AbortController();
  const limit = setTimeout(() => control.abort(), ANSWER_WITHIN);
  try {
    const response = await fetch(base + path, { ...options, signal: control.signal, cache: "no-store" });
    return { response, body: await response.json().catch(() => null) };
  } finally {
    clearTimeout(limit);
  }
}

async function post(events) {
  const attempt = () => ask("/api/v1/events?details=true", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", "x-csrf-token": token.content },
    body: JSON.stringify({ events }),
  });
  try {
    let { response, body } = await attempt();
    if (response.status === 403) {
      // A cached page has the token of an earlier session, perhaps of another user.
      const renewed = await renew();
      if (renewed) return { stopped: renewed };
      ({ response, body } = await attempt());
    }
    if (response.ok && body?.results?.length === events.length) return body;
    if (response.status === 401) return { stopped: "sign-in" };
    if (response.status === 403) return { stopped: "forbidden" };
    if (isRefusal(response)) return { refusal: body?.detail || body?.title || String(response.status) };
    return { stopped: "busy" };
  } catch {
    return { stopped: "offline" };
  }
}

async function renew() {
  const { response, body } = await ask("/session", { headers: { accept: "application/json" } });
  if (response.status === 401) return "sign-in";
  if (!response.ok || !body?.csrf) return "busy";
  if (body.user.id !== user) return "other-user";
  token.content = body.csrf;
  return "";
}

addEventListener("online", () => drain());
document.addEventListener("visibilitychange", () => document.hidden || drain());
