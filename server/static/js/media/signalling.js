/** WHIP and WHEP over HTTP (RFC 9725, draft-ietf-wish-whep): one POST with the offer, one DELETE at the end. */
import { ApiError, problemOf, reach } from "../api.js";

/**
 * Posts `sdp`; gives `{answer, resource}` where `resource` is the absolute URL to DELETE.
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
  return { answer: await response.text(), resource: new URL(location, response.url).href };
}

/** Ends the resource. It may be gone already, and `keepalive` lets it be sent while the page unloads. */
export async function end(resource, token) {
  const headers = { Authorization: `Bearer ${token}` };
  await fetch(resource, { method: "DELETE", headers, keepalive: true }).catch(() => {});
}
