/** A broadcast that was over before this page could join: the room lets nobody in, so HTTP tells how it ended. */
import { get } from "../api.js";
import { useLoaded } from "../ui/page.js";

const CLOSE_OVER = 4504;

/** The room as it is, or for a show that was missed the room as it ended. */
export function usePast(room, status, broadcastId) {
  const missed = !room.ready && status.phase === "closed" && status.code === CLOSE_OVER;
  const past = useLoaded(() => (missed ? get(`/api/v1/broadcasts/${broadcastId}`) : Promise.resolve(null)), missed);
  return missed && past.value ? { ...room, broadcast: past.value, state: past.value.state } : room;
}
