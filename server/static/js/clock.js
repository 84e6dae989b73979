/**
 * The server's clock as a page sees it. Countdowns use it, never the device's clock, which may be wrong.
 * Each sample arrives late by an unknown network delay, so the largest offset seen is the nearest to the truth;
 * the monotonic clock keeps a change of the device's time from moving it. Only the last samples count, because
 * the two clocks drift apart over hours.
 */
const SAMPLES_KEPT = 16;

export class ServerClock {
  #offsets = [];

  observe(serverTimeMs) {
    this.#offsets = [...this.#offsets, serverTimeMs - performance.now()].slice(-SAMPLES_KEPT);
  }

  /** Milliseconds since the epoch by the server; before the first sample, by this device. */
  nowMs() {
    if (this.#offsets.length === 0) return Date.now();
    return performance.now() + Math.max(...this.#offsets);
  }
}

/** "1:02:03" or "2:03" for a duration in milliseconds; negative durations read as zero. */
export function formatDuration(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
