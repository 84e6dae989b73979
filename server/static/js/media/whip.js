/** A WHIP publisher: sends a local MediaStream as one broadcast, 2.5 Mbps at most. */
import { PeerSession } from "./peer_session.js";

const VIDEO_MAX_BPS = 2_500_000;
const AUDIO_MAX_BPS = 64_000;

const encodings = (track) => [{ maxBitrate: track.kind === "video" ? VIDEO_MAX_BPS : AUDIO_MAX_BPS }];

/** Starts publishing `stream()` as it is at each (re)connection. */
export function publish({ broadcastId, token, stream, onPhase }) {
  const session = new PeerSession({
    url: `/whip/${broadcastId}`,
    token,
    onPhase,
    prepare: (peer) => {
      for (const track of stream().getTracks())
        peer.addTransceiver(track, { direction: "sendonly", streams: [stream()], sendEncodings: encodings(track) });
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
