/** What the stage tells its audience: one phase out of room, socket and media. Pure. */
import { OVER } from "../room_state.js";

const ON_AIR = new Set(["live", "paused"]);
const FULL = new Set(["viewer_limit_reached", "too_many_joins", "too_many_handshakes"]);
const CLOSED_BY_CODE = { 4502: "forbidden", 4503: "no_such_broadcast", 4505: "banned", 4504: "ended" };

/**
 * @returns {{name:string, code?:string, quiet?:boolean}} `quiet` phases leave the picture in view
 */
export function stagePhase(room, status, media) {
  if (room.state === "terminated") return { name: "terminated" };
  if (OVER.has(room.state)) return { name: "ended" };
  if (status.phase === "closed") return { name: CLOSED_BY_CODE[status.code] ?? "closed" };
  if (!room.ready) return { name: status.failures > 0 ? "reconnecting" : "loading" };
  if (status.phase !== "open") return { name: "reconnecting", quiet: true };
  if (!ON_AIR.has(room.state)) return { name: "not_started" };
  if (room.state === "paused") return { name: "paused" };
  if (media.phase === "refused") return { name: "refused", code: media.code };
  if (room.publisher === "none") return { name: "waiting" };
  if (room.publisher === "stalled") return { name: "stalled", quiet: true };
  if (room.pictureWithheld && media.phase === "connected") return { name: "sound_only", quiet: true };
  if (media.phase !== "connected" && FULL.has(media.code)) return { name: "media_full", code: media.code };
  if (media.phase === "waiting") return { name: "media_reconnecting" };
  return { name: media.phase === "connected" ? "playing" : "loading" };
}

/** The picture is asked for at once, beside the room: a show that is not on the air says so to both. */
export const mayPlay = (room, status) => (room.ready ? ON_AIR.has(room.state) : status.phase !== "closed" && !OVER.has(room.state));
