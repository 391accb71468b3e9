// Owns the labels page: changes of its form show at once, and printing requests paper in the size of the sheet.
const paper = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, paper];

function size() {
  const sheets = document.querySelector(".sheets");
  document.getElementById("print").disabled = !sheets;
  if (sheets) paper.replaceSync(`@page { size: ${Number(sheets.dataset.width)}mm ${Number(sheets.dataset.height)}mm; margin: 0; }`);
}

let swapping = false;
document.addEventListener("change", ({ target }) => {
  const form = target.closest("#labels-form");
  // A picker's text is sent when an answer is chosen.
  if (!form || target.role === "combobox") return;
  swapping = true;
  form.requestSubmit();
});
// Links to files have the current values of the form, before the preview is updated.
document.addEventListener("input", ({ target }) => {
  const form = target.closest("#labels-form");
  if (!form || target.role === "combobox") return;
  for (const link of document.querySelectorAll('.label-setup a[href*="format="]')) {
    const url = new URL(link.href);
    if (target.type === "checkbox" && !target.checked) url.searchParams.delete(target.name);
    else url.searchParams.set(target.name, target.value);
    link.href = url;
  }
});
// The picker gets the focus again with the new form; its answers open on typing, so that they do not cover the new labels.
document.addEventListener("focusin", (event) => swapping && event.stopPropagation(), { capture: true });
document.addEventListener("stocky:swap", () => {
  swapping = false;
  size();
});
// The button is replaced with the form.
document.addEventListener("click", ({ target }) => target.closest("#print") && print());
size();
