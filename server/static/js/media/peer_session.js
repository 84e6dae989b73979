/**
 * One media connection that is kept up: offer, mend what breaks, and where that fails back off and offer again, until `stop()`.
 * WHIP and WHEP differ only in the peer connection they prepare. The offer goes out before ICE gathering ends:
 * the server is ICE-lite and answers from one address, so the page's own candidates are not needed.
 */
import { restartIce } from "./ice_restart.js";
import { keepLink } from "./link_keeper.js";
import { end, offer } from "./signalling.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const CONNECT_TIMEOUT_MS = 12_000;
const RELAY_AFTER_MS = 1_500;
const FINAL_STATUS = new Set([401, 403, 406, 415]);

const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

export class PeerSession {
  #url;
  #token;
  #prepare;
  #onPhase;
  #stop = new AbortController();
  #peer = null;
  #resource = null;
  #answer = "";
  #iceServers = [];
  #relaying = false;

  /**
   * @param {{url:string, token:()=>string, prepare:(peer:RTCPeerConnection)=>void|Promise<void>,
   *   onPhase:(phase:{phase:"connecting"|"connected"|"waiting"|"refused", code?:string})=>void}} options
   */
  constructor({ url, token, prepare, onPhase }) {
    this.#url = url;
    this.#token = token;
    this.#prepare = prepare;
    this.#onPhase = onPhase;
  }

  get peer() {
    return this.#peer;
  }

  start() {
    addEventListener("pagehide", this.#leave);
    this.#run();
  }

  /** Leaves for good. `gone` says that the server has ended the resource itself, so there is nothing to DELETE. */
  stop({ gone = false } = {}) {
    removeEventListener("pagehide", this.#leave);
    this.#stop.abort();
    if (gone) this.#resource = null;
    this.#leave();
  }

  #leave = () => {
    this.#peer?.close();
    this.#peer = null;
    if (this.#resource) end(this.#resource, this.#token());
    this.#resource = null;
  };

  async #run() {
    const { signal } = this.#stop;
    let code; // why the last attempt has to be repeated: as long as it is not known to have passed
    for (let failures = 0; !signal.aborted; failures += 1) {
      this.#onPhase({ phase: "connecting", code });
      const outcome = await this.#attempt(signal);
      if (signal.aborted) return;
      this.#leave();
      if (outcome.refused) return this.#onPhase({ phase: "refused", code: outcome.code });
      if (outcome.wasConnected) failures = 0;
      code = outcome.code;
      this.#onPhase({ phase: "waiting", code });
      await sleep(this.#delay(failures, outcome.retryAfterMs), signal);
    }
  }

  #delay(failures, retryAfterMs) {
    const backOff = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 5));
    return (retryAfterMs ?? backOff) * (0.75 + Math.random() / 2);
  }

  /** One connection from offer to break; never raises, says how it ended. */
  async #attempt(signal) {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: this.#iceServers });
    this.#peer = peer;
    try {
      await this.#prepare(peer);
      await peer.setLocalDescription();
      const { answer, resource, iceServers } = await offer(this.#url, this.#token(), peer.localDescription.sdp);
      this.#resource = resource;
      this.#answer = answer;
      if (signal.aborted) {
        this.#leave(); // Stopped while the answer was on its way.
        return {};
      }
      await peer.setRemoteDescription({ type: "answer", sdp: answer });
      this.#relayIfNeeded(peer, iceServers, signal);
    } catch (error) {
      return { code: error.code ?? "connection_failed", retryAfterMs: error.retryAfterMs, refused: FINAL_STATUS.has(error.status) };
    }
    return this.#untilLost(peer, signal);
  }

  /** Waits until the session is lost for good; a connection that breaks is mended first, by restarting ICE. */
  #untilLost(peer, signal) {
    return new Promise((resolve) => {
      let keeper = null;
      const timer = setTimeout(() => finish(), CONNECT_TIMEOUT_MS);
      const finish = () => {
        clearTimeout(timer);
        keeper?.stop();
        signal.removeEventListener("abort", finish);
        peer.onconnectionstatechange = null;
        resolve({ code: "connection_failed", wasConnected: keeper !== null });
      };
      signal.addEventListener("abort", finish, { once: true });
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === "connected") {
          clearTimeout(timer);
          keeper ??= keepLink(peer, () => this.#restart(peer), finish);
          this.#onPhase({ phase: "connected" });
        } else if (!keeper && !this.#relaying && ["failed", "closed"].includes(peer.connectionState)) finish();
      };
    });
  }

  /**
   * The first offer goes without TURN servers, as they come with its answer, and most never need one. Who is not
   * connected soon restarts ICE with them; later sessions of this page have them from the start.
   */
  async #relayIfNeeded(peer, iceServers, signal) {
    this.#relaying = this.#iceServers.length === 0 && iceServers.length > 0;
    this.#iceServers = iceServers;
    if (!this.#relaying) return;
    await sleep(RELAY_AFTER_MS, signal);
    if (signal.aborted || !["new", "connecting", "failed"].includes(peer.connectionState)) return;
    peer.setConfiguration({ ...peer.getConfiguration(), iceServers });
    await this.#restart(peer).catch(() => {}); // The time limit for connecting decides what becomes of it.
    this.#relaying = false;
  }

  async #restart(peer) {
    this.#answer = await restartIce(peer, { resource: this.#resource, token: this.#token(), answer: this.#answer });
  }
}
