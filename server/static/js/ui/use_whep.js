/** Plays one broadcast into a video element for as long as `active`; survives what breaks in between. */
import { play } from "../media/whep.js";
import { currentToken } from "../session.js";
import { useEffect, useRef, useState } from "./html.js";

/** @returns {{video: object, media: {phase:string, code?:string}}} `video` is the ref to give to a <video> */
export function useWhep({ broadcastId, active }) {
  const video = useRef(null);
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
      session.stop();
      if (video.current) video.current.srcObject = null;
    };
  }, [broadcastId, active]);
  return { video, media };
}
