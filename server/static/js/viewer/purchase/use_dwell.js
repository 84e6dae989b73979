/**
 * How long documents really stood open before the reader: only while one is open and the page is visible.
 * Reading is counted by the monotonic clock, so that changing the device's time does not change it.
 */
import { useEffect, useRef, useState } from "../../ui/html.js";

const TICK_MS = 250;

/** @returns {number} milliseconds read so far; counts on while `reading` */
export function useDwell(reading) {
  const [dwellMs, setDwellMs] = useState(0);
  const last = useRef(null);
  useEffect(() => {
    if (!reading) return undefined;
    last.current = performance.now();
    const count = () => {
      const now = performance.now();
      // A hidden page's time is not reading; a device that slept did not read either.
      if (document.visibilityState === "visible") setDwellMs((had) => had + Math.min(now - last.current, 4 * TICK_MS));
      last.current = now;
    };
    const timer = setInterval(count, TICK_MS);
    return () => {
      clearInterval(timer);
      count();
    };
  }, [reading]);
  return Math.round(dwellMs);
}
