/** A WHEP player: receives one broadcast's picture and sound into a MediaStream. */
import { PeerSession } from "./peer_session.js";

/**
 * Starts playing; `onStream(MediaStream)` comes with each connection.
 * @returns {PeerSession} whose `stop()` leaves.
 */
export function play({ broadcastId, token, onStream, onPhase }) {
  const session = new PeerSession({
    url: `/whep/${broadcastId}`,
    token,
    onPhase,
    prepare: (peer) => {
      peer.addTransceiver("video", { direction: "recvonly" });
      peer.addTransceiver("audio", { direction: "recvonly" });
      const stream = new MediaStream();
      peer.ontrack = ({ track }) => {
        stream.addTrack(track);
        onStream(stream);
      };
    },
  });
  session.start();
  return session;
}
