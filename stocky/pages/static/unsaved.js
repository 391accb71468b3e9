// Owns the question before a page is left with counts that are not saved.
const form = document.querySelector(".count-form");
let mayLeave = false;
const isChanged = () => form.querySelector('[aria-invalid="true"]') || [...form.elements].some((each) => "defaultValue" in each && each.value !== each.defaultValue);

if (form) {
  form.addEventListener("submit", () => { mayLeave = true; });
  // Cancel needs no question.
  form.addEventListener("click", ({ target }) => { mayLeave = target.closest("a") !== null; });
  addEventListener("beforeunload", (event) => { if (!mayLeave && isChanged()) event.preventDefault(); });
}
