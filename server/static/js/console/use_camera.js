/** Camera and microphone: which there are, which are chosen, and the local stream of both. */
import { useCallback, useEffect, useRef, useState } from "../ui/html.js";

const KEY = "wealthcast.devices";
const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

const remembered = () => JSON.parse(localStorage.getItem(KEY) ?? "{}");
const stopAll = (stream) => stream?.getTracks().forEach((track) => track.stop());

async function open(chosen) {
  if (!navigator.mediaDevices) throw Object.assign(new Error("insecure"), { code: "insecure_page" });
  try {
    // `ideal` is a hint: Chromium takes its own favourite all the same.
    return await get(chosen, "exact").catch((error) => {
      if (error.name !== "OverconstrainedError") throw error;
      return get(chosen, "ideal"); // one of them is not there any more
    });
  } catch (error) {
    throw Object.assign(error, { code: `camera_${error.name}` });
  }
}

function get(chosen, how) {
  const want = (base, id) => (id ? { ...base, deviceId: { [how]: id } } : base);
  return navigator.mediaDevices.getUserMedia({ video: want(VIDEO, chosen.videoinput), audio: want(AUDIO, chosen.audioinput) });
}

/** Opens the devices while `active`; a new choice opens the new stream before the old one stops. */
export function useCamera(active) {
  const [chosen, setChosen] = useState(remembered);
  const [stream, setStream] = useState(null);
  const [devices, setDevices] = useState([]);
  const [error, setError] = useState(null);
  const [round, setRound] = useState(0);
  const current = useRef(null);

  useEffect(() => {
    if (!active) return undefined;
    let stale = false;
    open(chosen)
      .then(async (next) => {
        if (stale) return stopAll(next);
        const before = current.current;
        current.current = next;
        setStream(next);
        setError(null);
        stopAll(before);
        setDevices(await navigator.mediaDevices.enumerateDevices());
      })
      .catch((failure) => !stale && setError(failure));
    return () => (stale = true);
  }, [active, chosen, round]);

  useEffect(() => {
    if (active) return undefined;
    stopAll(current.current);
    current.current = null;
    setStream(null);
  }, [active]);
  useEffect(() => () => stopAll(current.current), []);

  const choose = useCallback((kind, id) => {
    setChosen((had) => {
      const next = { ...had, [kind]: id };
      localStorage.setItem(KEY, JSON.stringify(next));
      return next;
    });
  }, []);
  return { stream, devices, chosen, choose, error, retry: () => setRound((count) => count + 1) };
}
