/**
 * Plays one broadcast into a video element for as long as `active`; survives what breaks in between.
 * `over` says that the server has ended the broadcast and every resource of it.
 */
import { play } from "../media/whep.js";
import { currentToken } from "../session.js";
import { useEffect, useRef, useState } from "./html.js";

/** @returns {{video: object, media: {phase:string, code?:string}}} `video` is the ref to give to a <video> */
export function useWhep({ broadcastId, active, over }) {
  const video = useRef(null);
  const gone = useRef(false);
  gone.current = over;
  const [media, setMedia] = useState({ phase: "connecting" });
  useEffect(() => {
    if (!active) return undefined;
    const session = play({
      broadcastId,
      token: currentToken,
      onPhase: setMedia,
      onStream: (stream) => {
        if (video.current && video.current.srcObject !== stream) video.current.srcObject = stream;
      },
    });
    return () => {
      session.stop({ gone: gone.current });
      if (video.current) video.current.srcObject = null;
    };
  }, [broadcastId, active]);
  return { video, media };
}
