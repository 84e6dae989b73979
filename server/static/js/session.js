/**
 * Who is signed in on this tab. The token lives in sessionStorage and in the Authorization header, never in a URL;
 * it is renewed when a fifth of its life is left.
 */
import { call, useTokens } from "./api.js";

const KEY = "wealthcast.session";
const RENEW_CHECK_MS = 15_000;
const RENEW_AT_LEAST_MS = 60_000;

let session = read();
let renewing = null;
const listeners = new Set();

useTokens(
  () => session?.token ?? null,
  () => signOut(),
);

function read() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(KEY));
    return stored && Date.parse(stored.expires_at) > Date.now() ? stored : null;
  } catch {
    return null; // What is there was not written by us; sign in again.
  }
}

function store(next) {
  session = next;
  if (next) sessionStorage.setItem(KEY, JSON.stringify(next));
  else sessionStorage.removeItem(KEY);
  listeners.forEach((listener) => listener(session));
}

export const currentSession = () => session;
export const currentToken = () => session?.token ?? null;

/** Calls `listener(session or null)` on every change; gives the function that stops it. */
export function onSession(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export async function signIn(login, password) {
  const answer = await call("POST", "/api/v1/sessions", { body: { login, password }, anonymous: true });
  store({ ...answer, obtained_at_ms: Date.now() });
}

export function signOut() {
  if (session) store(null);
}

/** Fetches a new token of the same person; concurrent callers share one request. */
export function renew() {
  renewing ??= call("POST", "/api/v1/sessions/refresh", { body: {} })
    .then((answer) => store({ ...session, ...answer, obtained_at_ms: Date.now() }))
    .finally(() => (renewing = null));
  return renewing;
}

function renewIfDue() {
  if (!session || renewing) return;
  const expires = Date.parse(session.expires_at);
  const life = expires - session.obtained_at_ms;
  if (expires - Date.now() > Math.min(RENEW_AT_LEAST_MS, life / 5)) return;
  renew().catch(() => {}); // A failure is tried again at the next check, and a refusal has already signed out.
}
setInterval(renewIfDue, RENEW_CHECK_MS);
