/** A page's connection to one room, as a hook: the reduced state, the connection's status and the client. */
import { get } from "../api.js";
import { randomId } from "../random_id.js";
import { ServerClock } from "../clock.js";
import { currentToken, onSession, renew, signOut } from "../session.js";
import { KeptPlace } from "../kept_place.js";
import { RoomClient } from "../room_client.js";
import { EMPTY, reduce } from "../room_state.js";
import { language } from "../i18n/index.js";
import { useEffect, useMemo, useReducer, useRef, useState } from "./html.js";

const CLOSE_UNAUTHENTICATED = 4501;
const CLOSE_NO_SUCH_BROADCAST = 4503;
const LOOK_AGAIN_MS = 15_000;

/** One id for each account on this install, so that two accounts' cumulative likes never mix. */
function clientId(accountId) {
  const key = `wealthcast.client.${accountId}`;
  const known = localStorage.getItem(key) ?? randomId();
  localStorage.setItem(key, known);
  return known;
}

/**
 * Where this tab was in the room, if the page is to go on there after a reload or after the system put it to sleep;
 * `current` holds what is shown. It goes with the tab: others at this machine shall not read a room from its storage.
 */
function usePlace({ broadcastId, accountId, resumes }, current) {
  return useMemo(() => {
    const options = { storage: sessionStorage, broadcastId, accountId, shown: () => current.current };
    return resumes ? new KeptPlace(options) : undefined;
  }, [broadcastId, accountId, resumes]);
}

/**
 * Stays in the room for as long as `active`; with `resumes` a page that comes again begins with what it showed.
 * @param {{gatewayUrl:string, broadcastId:string, accountId:string, active?:boolean, resumes?:boolean}} where
 * @returns {{room:object, status:object, client:RoomClient|null, clock:ServerClock}}
 */
export function useRoom({ gatewayUrl, broadcastId, accountId, active = true, resumes = false }) {
  const clock = useMemo(() => new ServerClock(), []);
  const shown = useRef(EMPTY);
  const place = usePlace({ broadcastId, accountId, resumes }, shown);
  // Not ready before the room has answered: what follows the place is told after the welcome.
  const begin = { ...EMPTY, ...place?.last?.shown, ready: false };
  const [room, dispatch] = useReducer((had, event) => (shown.current = reduce(had, event, clock.nowMs())), begin);
  const [status, setStatus] = useState({ phase: "connecting", failures: 0 });
  const clientRef = useRef(null);
  const visit = useAnnouncement(broadcastId, status.code === CLOSE_NO_SUCH_BROADCAST);

  useEffect(() => {
    if (!active) return undefined;
    const client = new RoomClient({
      url: gatewayUrl,
      broadcastId,
      clientId: clientId(accountId),
      lang: language(),
      token: currentToken,
      renewToken: renew,
      place,
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
      place?.forget(); // Who signs out or goes to another show leaves nothing here; a reload or a kill does not come by.
    };
  }, [gatewayUrl, broadcastId, accountId, active, visit]);

  return { room, status, client: clientRef.current, clock };
}

/** A show that is not there may be announced yet: asks now and then, and counts up when it is there, to enter anew. */
function useAnnouncement(broadcastId, missing) {
  const [visit, setVisit] = useState(1);
  useEffect(() => {
    if (!missing) return undefined;
    const look = () => {
      if (document.hidden) return;
      get(`/api/v1/broadcasts/${broadcastId}`).then(() => setVisit((count) => count + 1), () => {}); // Not yet.
    };
    const timer = setInterval(look, LOOK_AGAIN_MS * (0.75 + Math.random() / 2));
    return () => clearInterval(timer);
  }, [broadcastId, missing]);
  return visit;
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
