// Owns file uploads: the names of the chosen files, and the progress of sending, which fetch does not report.
import { explain } from "./forms.js";
import { Problem, renewToken, signIn, word } from "./http.js";

export function show(input) {
  input.closest("[data-drop]").querySelector(".chosen").textContent = [...input.files].map((file) => file.name).join(", ");
  if (input.form?.hasAttribute("data-upload-now")) input.form.requestSubmit();
}

export function send(form) {
  if (form.ariaBusy) return;
  form.ariaBusy = "true";
  attempt(form, true);
}

function attempt(form, mayRenew) {
  const bar = form.querySelector("progress");
  const request = new XMLHttpRequest();
  const ended = () => {
    form.ariaBusy = null;
    if (bar) bar.hidden = true;
  };
  request.open("POST", form.action);
  request.setRequestHeader("x-csrf-token", document.querySelector('meta[name="csrf"]').content);
  request.setRequestHeader("x-requested-with", "fetch");
  request.setRequestHeader("accept", "text/html, application/problem+json");
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    if (!bar) return;
    bar.hidden = false;
    // Everything is sent, but the server is still processing it.
    if (loaded === total) bar.removeAttribute("value");
    else bar.value = loaded / total;
  });
  request.addEventListener("error", () => {
    ended();
    explain(form, new Problem(0, { detail: word("network") }));
  });
  request.addEventListener("load", async () => {
    // The token of a page that was open for long may be old.
    if (request.status === 403 && mayRenew) {
      const renewed = await renewToken().catch((error) => error);
      if (renewed === true) return attempt(form, false);
      if (renewed.status === 401) return signIn();
    }
    ended();
    if (request.status < 400) return location.assign(request.responseURL || location.href);
    if (request.status === 401) return signIn();
    let body = null;
    try { body = JSON.parse(request.responseText); } catch { /* A proxy's page: only the status is known. */ }
    explain(form, new Problem(request.status, body));
  });
  request.send(new FormData(form));
}
