/**
 * Keeps a connected peer connected. It notices that the way to the server has changed or gone silent, sooner than ICE
 * does itself (5 s and more), and restarts ICE until something comes again; after a while it gives the session up.
 * The server sends something at least every 1.25 s (its sender or receiver reports), media or not.
 */
const READ_EVERY_MS = 100;
const SILENT_MS = 1_400;
const HEALS_WITHIN_MS = 1_500;
const AGAIN_MS = 100;
const GIVE_UP_MS = 8_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes that came over the peer's transports, pictures and reports alike. */
async function bytesReceived(peer) {
  let bytes = 0;
  for (const entry of (await peer.getStats()).values()) if (entry.type === "transport") bytes += entry.bytesReceived;
  return bytes;
}

/** The server has said goodbye (close_notify): no restart brings this session back. */
const ended = (peer) =>
  peer.connectionState === "closed" ||
  [...peer.getReceivers(), ...peer.getSenders()].some(({ transport }) => ["closed", "failed"].includes(transport?.state));

class LinkKeeper {
  #peer;
  #restart;
  #lost;
  #stopped = false;
  #mending = false;
  #bytes = 0;
  #heardAt = performance.now();
  #timer;

  constructor(peer, restart, lost) {
    this.#peer = peer;
    this.#restart = restart;
    this.#lost = lost;
    this.#timer = setInterval(() => this.#look().catch(() => {}), READ_EVERY_MS); // A peer that closes has no figures.
    peer.addEventListener("connectionstatechange", this.#changed);
    addEventListener("online", this.#mend);
    navigator.connection?.addEventListener?.("change", this.#mend);
  }

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#peer.removeEventListener("connectionstatechange", this.#changed);
    removeEventListener("online", this.#mend);
    navigator.connection?.removeEventListener?.("change", this.#mend);
  }

  #changed = () => {
    if (["disconnected", "failed", "closed"].includes(this.#peer.connectionState)) this.#mend();
  };

  async #look() {
    const bytes = await bytesReceived(this.#peer);
    if (bytes !== this.#bytes) this.#heardAt = performance.now();
    this.#bytes = bytes;
    if (performance.now() - this.#heardAt >= SILENT_MS) this.#mend();
  }

  #mend = async () => {
    if (this.#mending || this.#stopped) return;
    this.#mending = true;
    const since = performance.now();
    const healed = () => this.#heardAt > since && this.#peer.connectionState === "connected";
    while (!this.#stopped && performance.now() - since < GIVE_UP_MS && !ended(this.#peer)) {
      try {
        await this.#restart();
      } catch (error) {
        if (error.status) break; // The server's no, not a lost request: the session is over, or never was ours.
      }
      for (const from = performance.now(); performance.now() - from < HEALS_WITHIN_MS && !healed(); ) await sleep(AGAIN_MS);
      if (healed()) {
        this.#mending = false;
        return;
      }
    }
    if (!this.#stopped) this.#lost();
  };
}

/** Watches `peer` from its first connection on; `restart()` may be called again and again, `lost()` once. @returns {{stop:()=>void}} */
export const keepLink = (peer, restart, lost) => new LinkKeeper(peer, restart, lost);
