// Owns the labels page: what is changed in its form shows at once, and paper in the size of the sheet is asked for when printing.
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
  // The text of a picker is sent when an answer is chosen.
  if (!form || target.role === "combobox") return;
  swapping = true;
  form.requestSubmit();
});
// A picker gets the focus back with the new form; its answers show when one types, not at once over what was added.
document.addEventListener("focusin", (event) => swapping && event.stopPropagation(), { capture: true });
document.addEventListener("stocky:swap", () => {
  swapping = false;
  size();
});
document.getElementById("print").addEventListener("click", () => print());
size();
