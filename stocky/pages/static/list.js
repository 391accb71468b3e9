// Owns the ticks of shopping lists: each is stored for its user before it is sent, and sent in order until there is a response.
// A tick of an item is booked once for its event_id; that of a text is done when the text is off the list.
import { find, refresh, replace } from "./fragments.js";
import { Problem, newEventId, send } from "./http.js";

const RETRY = 10000;
const DAY = 86400000;
const page = document.querySelector("[data-list]");
const base = document.documentElement.dataset.base.replace(/\/$/, "");
const PREFIX = `stocky.tick${base}.${page.dataset.user}.`;
const opened = Date.now();
const unstored = new Map();
let sending = null;
let timer = null;
let isMine = false;

// One key for each tick, so that two tabs never overwrite each other's ticks.
function all() {
  const found = [...unstored.entries()];
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX)) found.push([key, JSON.parse(localStorage.getItem(key))]);
    }
  } catch {
    // Without storage, or with an unknown value in it, the ticks in memory are sent.
  }
  return found.filter(([, tick]) => tick).sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, tick]) => ({ key, ...tick }));
}

function store({ key, ...tick }) {
  try {
    localStorage.setItem(key, JSON.stringify(tick));
    unstored.delete(key);
  } catch {
    unstored.set(key, tick);
  }
}

function drop(key) {
  unstored.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    // It was in memory only.
  }
}

// By the server's clock, which may differ from the device's.
const renderedAt = (root) => Number(root.querySelector("[data-at]")?.dataset.at ?? 0);
const here = (tick) => tick.list === page.dataset.list;
const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

// Shows ticks without a response and refused ones, and hides done entries that a stored page still has.
function mark() {
  const ticks = all();
  for (const tick of ticks) {
    if (tick.state === "done" && (renderedAt(page) >= tick.done || Date.now() - tick.at > DAY)) {
      // If the entry is still there, that is what was added to it before the tick was sent.
      drop(tick.key);
      continue;
    }
    const row = here(tick) && page.querySelector(`[data-entry="${CSS.escape(tick.entry)}"]`);
    if (!row) continue;
    const isTicked = tick.state !== "refused";
    row.classList.toggle("ticked", isTicked);
    row.querySelector(".tick").disabled = isTicked;
    const state = row.querySelector("[data-state]");
    state.hidden = tick.state !== "waiting" || !tick.tries;
    state.textContent = ` · ${document.getElementById("t-tick-waiting").content.textContent}`;
  }
  const waiting = ticks.filter((tick) => tick.state === "waiting" && tick.tries).length;
  const notice = document.getElementById("ticks");
  notice.querySelector("[data-count]").textContent = String(waiting);
  notice.hidden = waiting === 0;
  const refused = document.getElementById("refused");
  refused.replaceChildren(...ticks.filter((tick) => tick.state === "refused").map((tick) => {
    const box = copy("t-tick-refused");
    box.querySelector("[data-name]").textContent = tick.name;
    box.querySelector("[data-reason]").textContent = tick.reason;
    box.querySelector("[data-open]").hidden = !page.querySelector(`[data-entry="${CSS.escape(tick.entry)}"]`);
    box.querySelector("[data-open]").href = tick.url.replace(/\/tick$/, "");
    box.querySelector("[data-open]").addEventListener("click", () => drop(tick.key));
    box.querySelector("[data-drop]").addEventListener("click", () => {
      drop(tick.key);
      mark();
    });
    return box;
  }));
}

// A stored page may be shown while another user is signed in.
async function checkUser() {
  if (isMine) return true;
  const response = await send(`${base}/session`);
  const session = await response.json().catch(() => null);
  if (!session?.user) throw new Problem(0);
  isMine = String(session.user.id) === page.dataset.user;
  return isMine;
}

async function sendOne(tick) {
  const data = new FormData();
  for (const [name, value] of Object.entries(tick.fields)) data.set(name, value);
  try {
    const response = await send(tick.url, { method: "POST", data, fragment: "entries" });
    return { html: await response.text() };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // No response, or a temporary failure: the tick stays and is sent again with the same event_id.
    if (!error.isRefusal) return { isUnanswered: true };
    if (error.status === 404 && !tick.fields.item_id) return {};
    return { reason: error.message };
  }
}

// The response, and every page rendered after this one, shows the tick as done.
function doneAt({ html }) {
  if (!html) return renderedAt(page) + 0.001;
  const answer = document.createElement("template");
  answer.innerHTML = html;
  return renderedAt(answer.content);
}

async function flush() {
  clearTimeout(timer);
  let html = null;
  try {
    for (let tick = next(); tick; tick = next()) {
      if (tick.at < opened && !(await checkUser())) return;
      const answer = await sendOne(tick);
      if (answer.isUnanswered) throw new Problem(0);
      if (answer.reason) store({ ...tick, state: "refused", reason: answer.reason });
      else store({ ...tick, state: "done", done: doneAt(answer) });
      if (answer.html && here(tick)) html = answer.html;
      mark();
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    for (const tick of all()) if (tick.state === "waiting") store({ ...tick, tries: tick.tries + 1 });
    timer = setTimeout(start, RETRY);
  } finally {
    if (html !== null) replace("entries", html);
    mark();
  }
}

const next = () => all().find((tick) => tick.state === "waiting");

function start() {
  sending ??= flush().finally(() => {
    sending = null;
  });
  return sending;
}

// Before app.js, which would send the form as it is.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-tick]")) return;
  event.preventDefault();
  event.stopPropagation();
  const fields = Object.fromEntries([...new FormData(form)].filter(([name]) => name !== "csrf"));
  const id = newEventId();
  const at = Date.now();
  if (fields.item_id) {
    fields.event_id = id;
    // When the clock of the device is slow, the tick is at least later than the page. The server corrects a fast one.
    fields.occurred_at = new Date(Math.max(at, renderedAt(page) * 1000)).toISOString();
  }
  store({
    key: `${PREFIX}${String(at).padStart(15, "0")}.${id}`,
    url: form.action,
    fields,
    list: page.dataset.list,
    entry: form.dataset.tick,
    name: form.dataset.name,
    at,
    state: "waiting",
    tries: 0,
  });
  mark();
  // Focus the next row, for the keyboard; the ticked row cannot have the focus. After the last row the page gets it.
  const rows = [...page.querySelectorAll(".ticks .tick:not(:disabled)")];
  const following = rows.find((each) => form.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
  (following ?? rows.at(-1) ?? document.getElementById("main")).focus({ preventScroll: true });
  if (sending) sending.then(start);
  else start();
}, true);

document.addEventListener("stocky:swap", mark);
addEventListener("online", start);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (next()) start();
  else if (find("entries")) refresh("entries", find("entries").dataset.src).catch(() => {});
});
addEventListener("storage", mark);
mark();
if (next()) start();
