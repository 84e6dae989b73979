/**
 * The room's WebSocket client: hello, acks by id, reconnection by the server's delays, heartbeat watch.
 * Talks to the gateway only. Guarantees to its owner:
 * - events come in the server's order; a `welcome` comes first after every (re)connection, and unless it says
 *   `recovered` its snapshot replaces what came before: then nothing was missed and nothing comes twice;
 * - a comment or tip is sent again with the same id (the same id is the same comment or tip) for as long as nobody
 *   knows what became of it, also after a reconnection; after some tries it fails with `outcome_unknown`: give its id
 *   to ask again. What `act` gives is sent again after a reconnection only; pins and removals are not. What is not
 *   answered fails with `timeout`, what the connection takes along with `connection_lost`;
 * - with a `place` (kept_place.js) it goes on after the app was killed where the place was kept, and says the likes again;
 * - no more than 32 requests wait at once; further ones fail with `busy` (room_requests.js).
 */
import { randomId } from "./random_id.js";
import { Requests, RoomError } from "./room_requests.js";

const SUBPROTOCOL = "wealthcast.v1.json";
const SILENCE_MS = 30_000;
const WATCH_MS = 5_000;
const DEFAULT_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
const CLOSE_TOKEN_EXPIRED = 4003;

/** Close codes of docs/protocol.md: 4500–4999 stay away, everything else comes back. */
export const isFinal = (code) => code >= 4500 && code <= 4999;

export class RoomClient {
  #options;
  #socket = null;
  #requests = new Requests((frame) => this.#welcomed && this.#send(frame));
  #heardAt = 0;
  #failures = 0;
  #welcomed = false;
  #delayMs = DEFAULT_DELAY_MS;
  #bye = null;
  #stopped = true;
  #reached = {}; // epoch and offset of the last frame, which a return begins from
  #timer = null;
  #watch = null;

  /**
   * @param {{url:string, broadcastId:string, clientId:string, lang:string, token:()=>string,
   *   renewToken:()=>Promise<void>, onEvent:(event:object)=>void, onStatus:(status:object)=>void,
   *   place?:import("./kept_place.js").KeptPlace}} options
   */
  constructor(options) {
    this.#options = options;
    this.#reached = options.place?.last?.reached ?? {};
  }

  open() {
    this.#stopped = false;
    this.#watch = setInterval(() => this.#checkSilence(), WATCH_MS);
    this.#connect();
  }

  close() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#drop();
    this.#requests.end();
  }

  /** The same `id` again is the same comment: nothing new is said while it is pending, and it is kept once. */
  comment(text, kind, id = randomId()) {
    return this.#request({ type: "comment", text, kind, id }, { resend: true, certain: true });
  }
  /** The same `id` again is the same tip: nothing new is said while it is pending, and it is given once. */
  tip(points, id = randomId()) {
    return this.#request({ type: "tip", points, id }, { resend: true, certain: true });
  }
  pin(commentId) {
    return this.#request({ type: "pin", comment_id: commentId });
  }
  remove(commentId, reason) {
    return this.#request({ type: "remove", comment_id: commentId, reason });
  }
  /** Gives any other command of the protocol; each is done at most once however often it is sent. */
  act(fields) {
    return this.#request(fields, { resend: true });
  }
  /** Says that the page went to the background, or came back; lost ones are said again by the next welcome. */
  visibility(hidden) {
    if (this.#welcomed) this.#send({ type: "visibility", hidden });
  }

  /** Sends this client's cumulative count; a lost one is made good by the next. False when not connected. */
  like(count) {
    this.#options.place?.raise(count);
    if (!this.#welcomed) return false;
    this.#send({ type: "like", count });
    return true;
  }

  refreshToken(token) {
    if (this.#welcomed) this.#send({ type: "auth.refresh", token });
  }

  #connect() {
    this.#bye = null;
    this.#options.onStatus({ phase: "connecting", failures: this.#failures });
    const socket = new WebSocket(this.#options.url, SUBPROTOCOL);
    this.#socket = socket;
    this.#heardAt = performance.now();
    const { broadcastId, clientId, lang, token } = this.#options;
    socket.onopen = () =>
      this.#send({
        ...{ type: "hello", token: token(), broadcast_id: broadcastId, client_id: clientId, lang },
        ...this.#reached,
      });
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
  }

  #receive(data) {
    this.#heardAt = performance.now();
    for (const event of JSON.parse(data)) this.#handle(event);
    // After the whole frame: only then does what is shown go with the position.
    if (this.#reached.epoch) this.#options.place?.reach(this.#reached);
  }

  #handle(event) {
    if (event.type === "welcome") this.#welcome(event);
    if (event.type === "welcome" || event.type === "position")
      this.#reached = { epoch: event.epoch, offset: event.offset };
    if (event.type === "bye") this.#bye = event;
    if (event.type === "ack") this.#requests.acked(event);
    if (event.type === "error" && event.id) this.#requests.refused(event);
    this.#options.onEvent(event);
  }

  #welcome(event) {
    this.#welcomed = true;
    this.#failures = 0;
    this.#delayMs = event.reconnect_after_ms ?? DEFAULT_DELAY_MS;
    this.#options.onStatus({ phase: "open" });
    this.#requests.repeat();
    const likes = this.#options.place?.likes;
    if (likes) this.#send({ type: "like", count: likes });
  }

  #request(fields, { resend = false, certain = false } = {}) {
    if (this.#stopped || (!resend && !this.#welcomed))
      return Promise.reject(new RoomError("connection_lost", { outcomeUnknown: true }));
    return this.#requests.ask({ id: randomId(), ...fields }, { resend, certain });
  }

  /** False when there is no open socket to send it on. */
  #send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #checkSilence() {
    if (this.#socket && performance.now() - this.#heardAt > SILENCE_MS) this.#lost(1006, "silence");
  }

  /** Forgets the socket without waiting for its close, which on a dead network takes minutes. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#welcomed = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #lost(code, reason) {
    this.#drop();
    if (this.#stopped) return;
    this.#requests.lost();
    if (isFinal(code) || this.#bye?.reconnect === false) {
      this.close();
      this.#options.place?.forget();
      this.#options.onStatus({ phase: "closed", code, reason: this.#bye?.reason ?? reason });
      return;
    }
    this.#comeBack(code, reason);
  }

  #comeBack(code, reason) {
    const base = this.#bye?.retry_after_ms ?? this.#delayMs;
    const delay = Math.min(LONGEST_DELAY_MS, base * 2 ** Math.min(this.#failures, 5));
    const jittered = delay * (0.5 + Math.random());
    this.#failures += 1;
    this.#options.onStatus({ phase: "waiting", code, reason, failures: this.#failures });
    this.#timer = setTimeout(() => this.#renewThenConnect(code), jittered);
  }

  async #renewThenConnect(code) {
    if (code === CLOSE_TOKEN_EXPIRED)
      await this.#options.renewToken().catch(() => {}); // A refusal signs out; anything else is tried again.
    if (!this.#stopped) this.#connect();
  }
}
