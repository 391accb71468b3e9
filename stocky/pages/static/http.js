// Owns requests to the server: the CSRF token, the messages of errors, and the redirect to the sign-in when the session ended.
const root = document.documentElement;
const token = document.querySelector('meta[name="csrf"]');
// Not signed in, too late, too early, too many.
const UNDECIDED = new Set([401, 408, 425, 429]);
export const word = (id) => document.getElementById(`t-${id}`)?.content.textContent.trim() ?? "";

// An error response, with the API's message; `errors` are those of fields. `isRefusal`: see there.
export class Problem extends Error {
  constructor(status, body, isRefusal = false) {
    super(body?.detail || body?.title || word("failed"));
    this.status = status;
    this.errors = body?.errors ?? [];
    this.isRefusal = isRefusal;
  }
}

const hasType = (headers, type) => (headers.get("content-type") ?? "").startsWith(type);

// Whether Stocky refused the request finally. After any other failure it may be booked: repeat it with the same event_id.
export function isRefusal({ status, redirected, headers }) {
  return hasType(headers, "application/problem+json") && !redirected && status >= 400 && status < 500 && !UNDECIDED.has(status);
}

// A UUID of version 4. crypto.randomUUID is missing on plain http.
export function newEventId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// Reload the page: the server redirects to the sign-in, with the reason why the session ended.
export function signIn() {
  location.assign(location.pathname + location.search);
}

// False if there is no new token. Throws Problem for the session of another user.
export async function renewToken() {
  const response = await fetch(`${root.dataset.base.replace(/\/$/, "")}/session`, { headers: { accept: "application/json" } });
  if (!response.ok) return false;
  const { user, csrf } = await response.json();
  // Another user signed in: this page must not send in their name.
  if (user.id !== Number(token.dataset.user)) throw new Problem(401);
  if (csrf === token.content) return false;
  token.content = csrf;
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = token.content;
  return true;
}

function body(data) {
  if (!(data instanceof FormData)) return data;
  data.set("csrf", token.content);
  return [...data.values()].some((value) => value instanceof File) ? data : new URLSearchParams(data);
}

// Resolves to a successful response, throws Problem for any other. `fragment`: the requested block, which the response must have.
// Without it, the response must have the type that the header `accept` names. `stays`: without a session, the page stays.
export async function send(url, { method = "GET", data, fragment, headers = {}, signal, stays } = {}) {
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
    // The token of a page that was open for long or stored may be old.
    if (response.status === 403 && method !== "GET" && (await renewToken())) response = await attempt();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.status === 401 && !stays) signIn();
    throw error instanceof Problem ? error : new Problem(0, { detail: word("network") });
  }
  // Any other response is not Stocky's, but that of a network's sign-in page, for example.
  const isOurs = fragment ? response.headers.get("x-fragment") === fragment : hasType(response.headers, headers.accept ?? "");
  if (response.ok && !isOurs) throw new Problem(0, { detail: word("network") });
  if (response.ok) return response;
  if (response.status === 401 && !stays) signIn();
  throw new Problem(response.status, await response.json().catch(() => null), isRefusal(response));
}
