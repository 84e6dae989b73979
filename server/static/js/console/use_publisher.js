/**
 * Keeps the host's stream on air for as long as it is wanted, and reads what it really sends.
 * `over` says that the server has ended the broadcast and its resources.
 */
import { rates, reading } from "../media/sender_stats.js";
import { publish, replaceTracks } from "../media/whip.js";
import { currentToken } from "../session.js";
import { useEffect, useRef, useState } from "../ui/html.js";

const READ_EVERY_MS = 1_000;

/** @returns {{link:{phase:string, code?:string}, figures:object|null}} */
export function usePublisher({ broadcastId, stream, wanted, silenced, over }) {
  const [link, setLink] = useState({ phase: "idle" });
  const [figures, setFigures] = useState(null);
  const session = useRef(null);
  const latest = useRef(stream);
  latest.current = stream;
  const gone = useRef(false);
  gone.current = over;
  const sending = wanted && stream !== null;

  useEffect(() => {
    if (!sending) return undefined;
    const mine = publish({ broadcastId, token: currentToken, stream: () => latest.current, onPhase: setLink });
    session.current = mine;
    return () => {
      mine.stop({ gone: gone.current });
      session.current = null;
      setLink({ phase: "idle" });
      setFigures(null);
    };
  }, [broadcastId, sending]);

  useEffect(() => {
    if (session.current && stream) replaceTracks(session.current, stream);
  }, [stream]);
  useEffect(() => {
    // Paused means that nobody sees or hears the host, not only that a notice is shown.
    for (const track of stream?.getTracks() ?? []) track.enabled = !silenced;
  }, [stream, silenced]);
  useEffect(() => {
    if (link.phase !== "connected") return undefined;
    let before = null;
    const timer = setInterval(async () => {
      const report = await session.current?.peer?.getStats();
      if (!report) return;
      const now = reading(report);
      if (before) setFigures(rates(before, now));
      before = now;
    }, READ_EVERY_MS);
    return () => clearInterval(timer);
  }, [link.phase]);
  return { link, figures };
}
