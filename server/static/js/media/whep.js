/** A WHEP player: receives one broadcast's picture and sound into a MediaStream. */
import { PeerSession } from "./peer_session.js";

/**
 * The least delay of the picture. Sound is heard some 100 ms after it was spoken, a picture could be seen after 25.
 * Chromium walks the picture to its sound in steps, which takes 20 s; held back from the start, lips are in step from
 * the first second (`./run bench lips`). It costs nothing later: the picture ends up there anyway.
 */
const PICTURE_DELAY_MS = 80;

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
      const { receiver } = peer.addTransceiver("video", { direction: "recvonly" });
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = PICTURE_DELAY_MS;
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
