// Owns the select mode of lists: the check boxes and the bar show while it is on.
let previous = null;
let shift = false;
for (const type of ["keydown", "keyup"]) addEventListener(type, (event) => { shift = event.shiftKey; });
const bar = () => document.querySelector("[data-selection]");
const host = () => document.querySelector("[data-selectable]") ?? document.getElementById("main");
const boxes = () => [...(bar()?.elements ?? [])].filter((each) => each.type === "checkbox" && !("selectAll" in each.dataset));

export function toggle(button) {
  const on = host().classList.toggle("selecting");
  button.setAttribute("aria-pressed", String(on));
  if (!on) for (const box of boxes()) box.checked = false;
  update();
  if (on) boxes()[0]?.focus();
}

export function update(changed) {
  if (!bar()) return;
  const all = boxes();
  if (changed && "selectAll" in changed.dataset) for (const box of all) box.checked = changed.checked;
  // With shift held, everything between the last two is selected.
  if (changed && previous && shift && all.includes(previous)) {
    const [from, to] = [all.indexOf(previous), all.indexOf(changed)].sort((a, b) => a - b);
    for (const box of all.slice(from, to + 1)) box.checked = changed.checked;
  }
  previous = changed ?? null;
  const count = all.filter((box) => box.checked).length;
  for (const box of all) box.closest("tr, li")?.toggleAttribute("data-selected", box.checked);
  for (const each of bar().elements) {
    if ("selectAll" in each.dataset) {
      each.checked = count > 0 && count === all.length;
      each.indeterminate = count > 0 && count < all.length;
    }
  }
  bar().querySelector("[data-count]").textContent = String(count);
  for (const button of bar().querySelectorAll(".actions button:not([data-select-toggle])")) button.disabled = !count;
}
