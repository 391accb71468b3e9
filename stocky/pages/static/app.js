// Owns the choice of modules: each is fetched when a page first needs it, so that a first view loads only this one.
const when = (name, call) => import(`./${name}.js`).then(call);
const base = document.documentElement.dataset.base.replace(/\/$/, "");

// Runs for the page and for every fragment that replaces a part of it.
function enhance(root) {
  if (root.querySelector("time[datetime]")) when("times", (module) => module.localize(root));
  if (root.querySelector("[data-toast]")) when("toasts", (module) => module.adopt(root));
  if (root.querySelector("[data-live]")) when("live", (module) => module.follow(root));
  if (root.querySelector("[data-poll]")) when("poll", (module) => module.poll(root));
  if (document.querySelector(".selecting")) when("selection", (module) => module.update());
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.matches("[method=dialog], [target]")) return;
  if (form.matches(".find") && document.getElementById("found")?.hidden === false) {
    event.preventDefault();
    when("search", (module) => module.enter());
  } else if (form.matches("[data-swap], [data-fetch], [data-upload]")) {
    event.preventDefault();
    if ("upload" in form.dataset) when("upload", (module) => module.send(form));
    else if ("stepper" in form.dataset) when("steppers", (module) => module.step(form, event.submitter));
    else when("forms", (module) => module.submit(form, event.submitter));
  } else if (form.method === "post") {
    // A second press would book twice.
    if (form.ariaBusy) event.preventDefault();
    form.ariaBusy = "true";
  }
});

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-dialog], [data-close], [data-dismiss], [data-copy], [data-select-toggle], a[data-swap]");
  if (!target || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const data = target.dataset;
  if ("dialog" in data) when("dialogs", (module) => module.open(target));
  else if ("close" in data) when("dialogs", (module) => module.close(target));
  else if ("dismiss" in data) when("toasts", (module) => module.remove(target.closest(".toast")));
  else if ("copy" in data) when("copy", (module) => module.copy(target));
  else if ("selectToggle" in data) when("selection", (module) => module.toggle(target));
  else when("fragments", (module) => module.visit(target));
  event.preventDefault();
});

for (const type of ["focusin", "input"]) {
  document.addEventListener(type, ({ target }) => {
    if (target.id === "q") when("search", (module) => module[type === "input" ? "type" : "ready"](target));
    else if (target.role === "combobox") when("picker", (module) => module.attach(target));
    else if (target.matches?.("[data-search]") && type === "input") when("search", (module) => module.filter(target));
    else if (target.form?.dataset.carry && type === "input") when("forms", (module) => module.carry(target.form));
  });
}
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-drop] input")) when("upload", (module) => module.show(target));
  else if (target.name === "theme") when("theme", (module) => module.choose(target.form));
  else if (target.id === "sound-switch") when("signals", (module) => module.allow(target.checked));
  else if (target.closest("[data-follow]")) when("fragments", (module) => module.follow(target.closest("[data-follow]")));
  else if (target.form?.dataset.selection !== undefined) when("selection", (module) => module.update(target));
});
// The browser cannot focus a wrong field in a folded part of a form.
document.addEventListener("invalid", ({ target }) => {
  const folded = target.closest("details");
  if (folded) folded.open = true;
}, true);
let shortcuts;
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.length === 1 && event.key !== " ") {
    if (event.key === "/") event.preventDefault();
    const moment = event.timeStamp;
    // One promise, so that the keys stay in order.
    shortcuts ??= import("./shortcuts.js");
    shortcuts.then((module) => module.press(event.key, moment));
  }
});
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, ({ target }) => target.closest?.("[data-drop]")?.classList.toggle("over", type === "dragover"));
}
document.addEventListener("stocky:swap", ({ target }) => enhance(target));
// A page from the back-forward cache still has its sent forms marked.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) form.ariaBusy = null;
});
addEventListener("popstate", (event) => {
  if (event.state?.swap) when("fragments", (module) => module.refresh(event.state.swap, location.href));
});
function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
// Scans waiting on this device: the pill shows their number, and any page sends them.
function showWaiting() {
  const pill = document.getElementById("waiting");
  if (!pill) return;
  // Without storage no scan can wait.
  const count = Number(stored(`waiting-${document.querySelector('meta[name="csrf"]').dataset.user}${base}`));
  pill.querySelector("b").textContent = String(count);
  pill.hidden = !count;
  if (count) when("queue", (module) => module.drain());
}
addEventListener("storage", ({ key }) => key?.startsWith("waiting-") && showWaiting());
showWaiting();
const sound = document.getElementById("sound-switch");
if (sound) sound.checked = stored("sound") !== "off";
// Some browsers ignore autofocus; the wrong field may be out of sight.
document.querySelector('#main [aria-invalid="true"]')?.focus();
onhashchange = () => document.querySelector(":target input[id]")?.focus();
// Absent on plain http.
navigator.serviceWorker?.register(`${base}/sw.js`).catch(() => {});
enhance(document);
