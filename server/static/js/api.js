/**
 * HTTP with JSON and problem+json errors (RFC 9457). Talks to this page's own origin only.
 * Every failure is an ApiError with a stable `code`; `network` and `timeout` are added for what never got an answer.
 */
const TIMEOUT_MS = 15_000;

let tokenSource = () => null;
let onUnauthenticated = () => {};

/** Says where bearer tokens come from, and what to do when the server no longer accepts one. */
export function useTokens(source, unauthenticated) {
  tokenSource = source;
  onUnauthenticated = unauthenticated;
}

export class ApiError extends Error {
  /** @param {{status:number, code:string, detail?:string, retryAfterMs?:number, problem?:object}} fields */
  constructor({ status, code, detail = "", retryAfterMs = null, problem = {} }) {
    super(`${status} ${code} ${detail}`);
    Object.assign(this, { status, code, detail, retryAfterMs, problem });
  }

  /** True where nobody knows whether the server acted, so the same idempotency key must be used again. */
  get outcomeUnknown() {
    return this.status === 0 || this.status >= 500 || this.code === "in_progress";
  }
}

export const retryAfterMs = (response) => {
  const seconds = Number(response.headers.get("Retry-After"));
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
};

/** The ApiError that a refused response stands for. */
export async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  return new ApiError({
    status: response.status,
    code: problem.code ?? `http_${response.status}`,
    detail: problem.detail ?? problem.title ?? "",
    retryAfterMs: retryAfterMs(response),
    problem,
  });
}

/** fetch() whose failures to reach the server are ApiErrors too. */
export async function reach(url, options = {}) {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch (error) {
    const code = error.name === "TimeoutError" ? "timeout" : "network";
    throw new ApiError({ status: 0, code, detail: error.message });
  }
}

/** One call; `body` is sent as JSON. Gives the decoded answer, null for 204. */
export async function call(method, path, { body, headers = {}, anonymous = false } = {}) {
  const token = anonymous ? null : tokenSource();
  const response = await reach(path, {
    method,
    headers: {
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) {
    const error = await problemOf(response);
    if (response.status === 401 && token) onUnauthenticated(error);
    throw error;
  }
  if (response.status === 204) return null;
  return response.json();
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}, headers = {}) => call("POST", path, { body, headers });

/** A document's text; documents are public reading for whoever is signed in. */
export const getText = async (path) => (await getBlob(path)).text();

/** What is no JSON, as it was sent, a byte order mark included. */
export async function getBlob(path) {
  const response = await reach(path, { headers: { Authorization: `Bearer ${tokenSource()}`, Accept: "text/*" } });
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}
