/**
 * One's own likes: a cumulative count kept on this install for each account and broadcast, sent at most four times
 * a second. The count, not the tap, is what the server hears, so a lost message is made good by the next.
 */
import { useEffect, useRef, useState } from "./html.js";

const SEND_EVERY_MS = 250;
const HIGHEST = 100_000;

/** @returns {{total:number, like:()=>void}} a total that never falls behind one's own taps */
export function useLikes({ client, connected, total, accountId, broadcastId }) {
  const key = `wealthcast.likes.${accountId}.${broadcastId}`;
  const timer = useRef(null);
  const [ahead, setAhead] = useState(0);
  const send = () => {
    timer.current = null;
    client?.like(Number(localStorage.getItem(key) ?? 0));
  };
  useEffect(() => {
    if (!connected) return;
    setAhead(0); // The snapshot that came with this connection is the truth.
    if (localStorage.getItem(key)) send(); // Taps made while away.
  }, [connected, client]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const like = () => {
    const count = Math.min(HIGHEST, Number(localStorage.getItem(key) ?? 0) + 1);
    localStorage.setItem(key, String(count));
    setAhead((had) => Math.max(had, total) + 1);
    timer.current ??= setTimeout(send, SEND_EVERY_MS);
  };
  return { total: Math.max(total, ahead), like };
}
