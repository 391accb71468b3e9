// Owns the pages that work offline: /scan, /lists and the files they load are stored on the device, each page as last shown.
// Pages are requested from the server first and belong to one user: signing in or out deletes them, as does another language or theme. Queued scans are not here.
const BASE = "__BASE__";
const STATIC = "__STATIC__";
// Other Stockies on this host, below other base paths, have caches of their own.
const ALL_FILES = `stocky-files-${BASE}/static/`;
const FILES = `stocky-files-${STATIC}`;
const PAGES = `stocky-pages${BASE}`;
const NAMES = [
  "app.css", "app.js", "http.js", "times.js", "queue.js", "scan.js", "commands.js", "wedge.js", "signals.js",
  "undo.js", "lookup.js", "locations.js", "camera.js", "messages.js", "naming.js", "picker.js", "toasts.js", "dialogs.js", "forms.js", "fragments.js",
  "shortcuts.js", "theme.js", "icons.svg", "logo.svg",
];
const WAIT = 4000;
const ASK_AGAIN = 600000;
const KEPT_AT_ONCE = ["/scan", "/offline"];
const CHANGES_USER = ["/sign-in", "/sign-out"];
// Every page shows the result of these forms.
const CHANGES_PAGES = ["/me/language", "/me/theme"];

const inner = (url) => url.pathname.slice(BASE.length);
const isKept = (path) => path === "/scan" || path === "/lists" || path === "/offline" || /^\/lists\/\d+$/.test(path);
// A page is stored once for all its queries: its script remembers what they set.
const keyOf = (path) => `${BASE}${path}`;
// A redirect leads to the sign-in.
const isPage = (response) => response.ok && !response.redirected && (response.headers.get("content-type") ?? "").startsWith("text/html");

let asked = 0;
// How often the pages were deleted: a page that was requested before is not stored afterwards.
let turn = 0;

async function keep(path) {
  const begun = turn;
  const response = await fetch(keyOf(path), { headers: { accept: "text/html" }, credentials: "same-origin" });
  const pages = await caches.open(PAGES);
  if (isPage(response) && begun === turn) await pages.put(keyOf(path), response);
}

async function forget() {
  turn += 1;
  asked = 0;
  await caches.delete(PAGES);
}

// Deletes before the request, so that nothing is left when the response arrives, and after it, when the session has ended.
async function changeUser(request) {
  await forget();
  try {
    return await fetch(request);
  } finally {
    await forget();
  }
}

// Without a network nothing changes, and the stored pages are needed.
async function changePages(request) {
  const response = await fetch(request);
  await forget();
  return response;
}

async function keepFirst() {
  // Some roles have no access to these pages: do not request them repeatedly.
  if (Date.now() - asked < ASK_AGAIN) return;
  asked = Date.now();
  const pages = await caches.open(PAGES);
  for (const path of KEPT_AT_ONCE) if (!(await pages.match(keyOf(path)))) await keep(path).catch(() => {});
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(FILES).then((files) => files.addAll(NAMES.map((name) => `${STATIC}/${name}`))));
});

self.addEventListener("activate", (event) => {
  // After an upgrade, stored pages refer to files that no longer exist.
  event.waitUntil((async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith(ALL_FILES) && name !== FILES);
    for (const name of old) await caches.delete(name);
    if (old.length) await caches.delete(PAGES);
    await self.clients.claim();
    await keepFirst();
  })());
});

async function showFile(request) {
  const files = await caches.open(FILES);
  const known = await files.match(request, { ignoreVary: true });
  if (known) return known;
  const response = await fetch(request);
  if (response.ok && request.url.includes(STATIC)) await files.put(request, response.clone());
  return response;
}

async function showPage(event, path) {
  const begun = turn;
  const pages = await caches.open(PAGES);
  const known = isKept(path) ? await pages.match(keyOf(path), { ignoreVary: true }) : undefined;
  const answer = fetch(event.request);
  answer.catch(() => {});
  try {
    // A network that does not respond in time counts as none; without a stored page, wait as long as it takes.
    const late = known && new Promise((_, reject) => setTimeout(reject, WAIT, new Error("late")));
    const response = await (late ? Promise.race([answer, late]) : answer);
    // A proxy responds for a Stocky that is down.
    if (known && [502, 503, 504].includes(response.status)) return known;
    if (isKept(path) && isPage(response)) {
      if (begun !== turn) return response;
      const copy = response.clone();
      event.waitUntil(pages.put(keyOf(path), copy));
    } else if (isPage(response) && path !== "/sign-in" && path !== "/first-start") {
      event.waitUntil(keepFirst());
    }
    return response;
  } catch (error) {
    const shown = known ?? (await pages.match(keyOf("/offline"), { ignoreVary: true }));
    if (shown) return shown;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin || !url.pathname.startsWith(`${BASE}/`)) return;
  const path = inner(url);
  if (request.method === "POST") {
    if (CHANGES_USER.includes(path)) event.respondWith(changeUser(request));
    else if (CHANGES_PAGES.includes(path)) event.respondWith(changePages(request));
  } else if (request.method === "GET" && path.startsWith("/static/")) {
    event.respondWith(showFile(request));
  } else if (request.mode === "navigate" && request.method === "GET" && !/^\/(api|docs|health|metrics)(\/|$)/.test(path)) {
    event.respondWith(showPage(event, path));
  }
});
