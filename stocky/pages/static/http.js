// Owns requests to the server: the CSRF token, what a refused answer says, and the way to sign in when the session ended.
const root = document.documentElement;
const token = document.querySelector('meta[name="csrf"]');
// Not signed in, too late, too early, too many.
const UNDECIDED = new Set([401, 408, 425, 429]);
export const word = (id) => document.getElementById(`t-${id}`)?.content.textContent.trim() ?? "";

// An answer that is not a success, in the API's words; `errors` are those of fields. `isRefusal`: see there.
export class Problem extends Error {
  constructor(status, body, isRefusal = false) {
    super(body?.detail || body?.title || word("failed"));
    this.status = status;
    this.errors = body?.errors ?? [];
    this.isRefusal = isRefusal;
  }
}

// Whether Stocky refused it for good. Any other failure says nothing about what was booked: it is tried with the same event_id.
export function isRefusal({ status, redirected, headers }) {
  const isProblem = (headers.get("content-type") ?? "").startsWith("application/problem+json");
  return isProblem && !redirected && status >= 400 && status < 500 && !UNDECIDED.has(status);
}

// A UUID of version 4. crypto.randomUUID is missing on plain http.
export function newEventId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// The page is asked for again: the server leads to the sign-in, and knows why the session ended.
export function signIn() {
  location.assign(location.pathname + location.search);
}

// False if it is not to be had. Throws Problem for the session of another user.
async function renewToken() {
  const response = await fetch(`${root.dataset.base.replace(/\/$/, "")}/session`, { headers: { accept: "application/json" } });
  if (!response.ok) return false;
  const { user, csrf } = await response.json();
  // Somebody else signed in: what this page sends is not theirs.
  if (user.id !== Number(token.dataset.user)) throw new Problem(401);
  token.content = csrf;
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = token.content;
  return true;
}

function body(data) {
  if (!(data instanceof FormData)) return data;
  data.set("csrf", token.content);
  return [...data.values()].some((value) => value instanceof File) ? data : new URLSearchParams(data);
}

// Resolves to the response of a success, throws Problem for anything else. `fragment`: the block that is wanted, and comes.
export async function send(url, { method = "GET", data, fragment, headers = {}, signal } = {}) {
  const attempt = () => fetch(url, {
    method,
    body: body(data),
    signal,
    headers: {
      accept: "text/html, application/json, application/problem+json",
      "x-requested-with": "fetch",
      ...(fragment && { "x-fragment": fragment }),
      ...(method !== "GET" && { "x-csrf-token": token.content }),
      ...headers,
    },
  });
  let response;
  try {
    response = await attempt();
    // The token of a page that was kept open or offline may be old.
    if (response.status === 403 && method !== "GET" && (await renewToken())) response = await attempt();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.status === 401) signIn();
    throw error instanceof Problem ? error : new Problem(0, { detail: word("network") });
  }
  // Without the header it is not Stocky that answered, as at the sign-in of a network.
  if (response.ok && fragment && response.headers.get("x-fragment") !== fragment) throw new Problem(0, { detail: word("network") });
  if (response.ok) return response;
  if (response.status === 401) signIn();
  throw new Problem(response.status, await response.json().catch(() => null), isRefusal(response));
}
