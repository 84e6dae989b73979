/** What a publisher sends, from getStats: a pure difference of two readings. */

/** The numbers this page needs out of an RTCStatsReport, as totals. */
export function reading(report) {
  const totals = { at_ms: performance.now(), bytes: 0, frames: 0, keyframes: 0, rtt_ms: null, width: 0, height: 0 };
  for (const one of report.values()) {
    if (one.type === "outbound-rtp") totals.bytes += one.bytesSent;
    if (one.type === "outbound-rtp" && one.kind === "video") {
      totals.frames = Math.max(totals.frames, one.framesEncoded); // Layers encode the same frames.
      totals.keyframes = Math.max(totals.keyframes, one.keyFramesEncoded ?? 0);
      totals.width = Math.max(totals.width, one.frameWidth ?? 0);
      totals.height = Math.max(totals.height, one.frameHeight ?? 0);
    }
    if (one.type === "candidate-pair" && one.nominated && one.currentRoundTripTime !== undefined)
      totals.rtt_ms = Math.round(one.currentRoundTripTime * 1000);
  }
  return totals;
}

/** Rates between two readings: bitrate in bits a second, frames a second. */
export function rates(before, after) {
  const seconds = (after.at_ms - before.at_ms) / 1000;
  return {
    bitrate_bps: Math.max(0, Math.round(((after.bytes - before.bytes) * 8) / seconds)),
    fps: Math.max(0, Math.round((after.frames - before.frames) / seconds)),
    rtt_ms: after.rtt_ms,
    keyframes: after.keyframes,
    width: after.width,
    height: after.height,
  };
}
