/**
 * What was asked of the room and not answered yet: when each is said, said again and given up. Keeps timers, no more.
 * A *certain* request (comment, tip) adds something, so it may not be asked anew under another id before it is known
 * what became of it: through `unavailable` and lost answers it is said again with its id, MOST_TRIES times at most.
 */
const ANSWER_MS = 20_000; // a gateway may take 10 s over a comment
const AGAIN_MS = 2_000;
const LONGEST_AGAIN_MS = 10_000;
const MOST_TRIES = 6; // over about a minute
const MAX_PENDING = 32;
// The points ledger says these of the id itself. Any other refusal tells nothing of an earlier try of the same id.
const SETTLES = new Set(["insufficient_points", "daily_cap", "minor", "tips_off", "bad_amount", "idempotency_conflict"]);

/** `outcomeUnknown`: nobody refused it, and it may have been done; to be asked again under the same id. */
export class RoomError extends Error {
  constructor(code, { detail = "", retryAfterMs = null, outcomeUnknown = false } = {}) {
    super(`${code} ${detail}`);
    Object.assign(this, { code, detail, retryAfterMs, outcomeUnknown });
  }
}

const unsettled = (code) => new RoomError(code, { outcomeUnknown: true });

export class Requests {
  #say;
  #pending = new Map();
  #unknown = new Set(); // ids of certain requests that may have been done

  /** @param {(frame:object) => boolean} say sends a frame; false where there is no connection to send it on */
  constructor(say) {
    this.#say = say;
  }

  /** Gives the answer's promise; of an id that is being asked already, that one's. */
  ask(frame, { resend = false, certain = false } = {}) {
    const known = this.#pending.get(frame.id);
    if (known) return known.promise;
    if (this.#pending.size >= MAX_PENDING) return Promise.reject(unsettled("busy"));
    const request = { frame, resend, certain, tries: 0, timer: null };
    request.promise = new Promise((resolve, reject) => Object.assign(request, { resolve, reject }));
    this.#pending.set(frame.id, request);
    this.#try(request);
    return request.promise;
  }

  acked(event) {
    this.#settle(event.id, (request) => request.resolve(event));
  }

  refused({ id, code, message, retry_after_ms }) {
    const request = this.#pending.get(id);
    if (!request) return;
    const open = code === "unavailable" || (this.#unknown.has(id) && !SETTLES.has(code));
    if (!request.certain || !open) {
      this.#settle(id, () => request.reject(new RoomError(code, { detail: message, retryAfterMs: retry_after_ms })));
      return;
    }
    this.#unknown.add(id);
    const delay = Math.min(LONGEST_AGAIN_MS, (retry_after_ms ?? AGAIN_MS) * 2 ** (request.tries - 1));
    // Never before the server's time, and not all viewers at once.
    this.#wait(request, delay * (1 + Math.random() / 2), () => this.#try(request));
  }

  /** To be called with every welcome: says again what waits. */
  repeat() {
    for (const request of [...this.#pending.values()]) this.#try(request);
  }

  /** The connection is gone: what may not be said again over the next one fails. */
  lost() {
    for (const request of [...this.#pending.values()]) {
      clearTimeout(request.timer);
      if (!request.resend) this.#giveUp(request, "connection_lost");
      else if (request.tries > 0 && request.certain) this.#unknown.add(request.frame.id);
    }
  }

  end() {
    this.lost();
    for (const request of [...this.#pending.values()]) this.#giveUp(request, "connection_lost");
  }

  #try(request) {
    clearTimeout(request.timer);
    if (request.tries >= MOST_TRIES) this.#giveUp(request, request.certain ? "outcome_unknown" : "timeout");
    else if (this.#say(request.frame)) {
      request.tries += 1;
      this.#wait(request, ANSWER_MS, () => this.#unanswered(request));
    }
  }

  #unanswered(request) {
    if (!request.certain) return this.#giveUp(request, "timeout");
    this.#unknown.add(request.frame.id);
    this.#try(request);
  }

  #wait(request, delayMs, then) {
    clearTimeout(request.timer);
    request.timer = setTimeout(then, delayMs);
  }

  #giveUp(request, code) {
    clearTimeout(request.timer);
    this.#pending.delete(request.frame.id);
    request.reject(unsettled(code));
  }

  #settle(id, action) {
    const request = this.#pending.get(id);
    if (!request) return;
    clearTimeout(request.timer);
    this.#pending.delete(id);
    this.#unknown.delete(id);
    action(request);
  }
}
