/**
 * A WHIP publisher: sends a local MediaStream as one broadcast, its picture in three layers (2.5 Mbps in all at most),
 * so that each viewer gets what its network carries.
 */
import { PeerSession } from "./peer_session.js";

/** Lowest first, as Chrome gives bandwidth out; sizes are parts of the camera's. */
const LAYERS = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 550_000 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_800_000 },
];
const AUDIO = [{ maxBitrate: 64_000 }];

/** Starts publishing `stream()` as it is at each (re)connection. */
export function publish({ broadcastId, token, stream, onPhase }) {
  const session = new PeerSession({
    url: `/whip/${broadcastId}`,
    token,
    onPhase,
    prepare: (peer) => {
      for (const track of stream().getTracks())
        peer.addTransceiver(track, { direction: "sendonly", streams: [stream()], sendEncodings: track.kind === "video" ? LAYERS : AUDIO });
    },
  });
  session.start();
  return session;
}

/** Puts the tracks of `stream` in the place of those being sent, without a new negotiation. */
export async function replaceTracks(session, stream) {
  for (const sender of session.peer?.getSenders() ?? []) {
    const track = stream.getTracks().find((one) => one.kind === sender.track?.kind);
    if (track) await sender.replaceTrack(track);
  }
}
