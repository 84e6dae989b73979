/** A page's connection to one room, as a hook: the reduced state, the connection's status and the client. */
import { randomId } from "../random_id.js";
import { ServerClock } from "../clock.js";
import { currentToken, onSession, renew, signOut } from "../session.js";
import { RoomClient } from "../room_client.js";
import { EMPTY, reduce } from "../room_state.js";
import { language } from "../i18n/index.js";
import { useEffect, useMemo, useReducer, useRef, useState } from "./html.js";

const CLOSE_UNAUTHENTICATED = 4501;

/** One id for each account on this install, so that two accounts' cumulative likes never mix. */
function clientId(accountId) {
  const key = `wealthcast.client.${accountId}`;
  const known = localStorage.getItem(key) ?? randomId();
  localStorage.setItem(key, known);
  return known;
}

/**
 * Stays in the room for as long as `active`.
 * @param {{gatewayUrl:string, broadcastId:string, accountId:string, active?:boolean}} where
 * @returns {{room:object, status:object, client:RoomClient|null, clock:ServerClock}}
 */
export function useRoom({ gatewayUrl, broadcastId, accountId, active = true }) {
  const clock = useMemo(() => new ServerClock(), []);
  const [room, dispatch] = useReducer((current, event) => reduce(current, event, clock.nowMs()), EMPTY);
  const [status, setStatus] = useState({ phase: "connecting", failures: 0 });
  const clientRef = useRef(null);

  useEffect(() => {
    if (!active) return undefined;
    const client = new RoomClient({
      url: gatewayUrl,
      broadcastId,
      clientId: clientId(accountId),
      lang: language(),
      token: currentToken,
      renewToken: renew,
      onStatus: (next) => {
        setStatus(next);
        if (next.code === CLOSE_UNAUTHENTICATED) signOut();
      },
      onEvent: (event) => {
        if (event.server_time_ms) clock.observe(event.server_time_ms);
        if (event.code === "token_expiring") renew().catch(() => {}); // Tried again by the session itself.
        if (event.type === "welcome" && document.hidden) client.visibility(true);
        if (event.type !== "heartbeat") dispatch(event);
      },
    });
    clientRef.current = client;
    client.open();
    const showHidden = () => client.visibility(document.hidden);
    document.addEventListener("visibilitychange", showHidden);
    const stopListening = onSession((session) => session && client.refreshToken(session.token));
    return () => {
      document.removeEventListener("visibilitychange", showHidden);
      stopListening();
      client.close();
    };
  }, [gatewayUrl, broadcastId, accountId, active]);

  return { room, status, client: clientRef.current, clock };
}

/** The moment by the server's clock, renewed every `everyMs`; for countdowns and the stream's clock. */
export function useServerNow(clock, everyMs = 1000) {
  const [now, setNow] = useState(clock.nowMs());
  useEffect(() => {
    const timer = setInterval(() => setNow(clock.nowMs()), everyMs);
    return () => clearInterval(timer);
  }, [clock, everyMs]);
  return now;
}
