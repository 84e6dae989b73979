/** WHIP and WHEP over HTTP (RFC 9725, draft-ietf-wish-whep): POST with the offer, PATCH to restart ICE, DELETE at the end. */
import { ApiError, problemOf, reach } from "../api.js";

const PATCH_TIMEOUT_MS = 2_000;

/**
 * Posts `sdp`; gives `{answer, resource, iceServers}` where `resource` is the absolute URL to PATCH and DELETE.
 * Raises ApiError with the server's code; `retryAfterMs` where the server said when to come back.
 */
export async function offer(url, token, sdp) {
  const response = await reach(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` },
    body: sdp,
  });
  if (response.status !== 201) throw await problemOf(response);
  const location = response.headers.get("Location");
  if (!location) throw new ApiError({ status: 502, code: "no_location" });
  return {
    answer: await response.text(),
    resource: new URL(location, response.url).href,
    iceServers: iceServersOf(response.headers.get("Link") ?? ""),
  };
}

/** The RTCIceServers that `Link` headers name (RFC 9725 §4.6). */
export function iceServersOf(header) {
  const servers = [];
  for (const [, url, rest] of header.matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+="[^"]*")*)/g)) {
    const parameters = Object.fromEntries([...rest.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    if (parameters.rel !== "ice-server") continue;
    const { username, credential } = parameters;
    servers.push(username === undefined ? { urls: url } : { urls: url, username, credential });
  }
  return servers;
}

/** Sends new ICE credentials and gives the server's fragment; raises ApiError, 404 where the session has ended. */
export async function patchIce(resource, token, fragment) {
  const response = await reach(resource, {
    method: "PATCH",
    headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*", Authorization: `Bearer ${token}` },
    body: fragment,
    signal: AbortSignal.timeout(PATCH_TIMEOUT_MS),
  });
  if (response.status !== 200) throw await problemOf(response);
  return response.text();
}

/** Ends the resource. It may be gone already, and `keepalive` lets it be sent while the page unloads. */
export async function end(resource, token) {
  const headers = { Authorization: `Bearer ${token}` };
  await fetch(resource, { method: "DELETE", headers, keepalive: true }).catch(() => {});
}
