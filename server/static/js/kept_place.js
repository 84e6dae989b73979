/**
 * One person's place in one room, kept over the death of the app: how far it was told, what is shown, and the likes.
 * Talks to a Storage only (sessionStorage for a tab, localStorage for an install). Position and what is shown are kept
 * together or neither: a position without it would leave a hole, for what came before is never told again.
 */
const EVERY_MS = 1_000;

export class KeptPlace {
  #storage;
  #key;
  #shown;
  #timer = null;
  #kept;
  likes = 0;

  /** @param {{storage:Storage, broadcastId:string, accountId:string, shown:()=>object}} options */
  constructor({ storage, broadcastId, accountId, shown }) {
    this.#storage = storage;
    this.#key = `wealthcast.place.${accountId}.${broadcastId}`;
    this.#shown = shown;
    this.#kept = this.#read();
    this.likes = this.#kept?.likes ?? 0;
  }

  /** `{reached: {epoch, offset}, shown}` as last kept, or null. */
  get last() {
    return this.#kept?.reached ? this.#kept : null;
  }

  /** Notes how far the room was told; written within a second, once for all that comes meanwhile. */
  reach(reached) {
    this.#kept = { ...this.#kept, reached };
    this.#timer ??= setTimeout(() => this.#write(), EVERY_MS);
  }

  /** Notes the cumulative count, which never falls, at once: a like is a tap that the person saw. */
  raise(count) {
    this.likes = Math.max(this.likes, count);
    this.#write();
  }

  /** Forgets position and what is shown, not the likes: the room is over, or the person leaves it. */
  forget() {
    clearTimeout(this.#timer);
    this.#timer = this.#kept = null;
    this.#write();
  }

  #read() {
    try {
      return JSON.parse(this.#storage.getItem(this.#key));
    } catch {
      return null; // Storage that is refused or was tampered with: a first visit.
    }
  }

  #write() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const reached = this.#kept?.reached;
    const place = reached ? { reached, shown: this.#shown() } : {};
    try {
      this.#storage.setItem(this.#key, JSON.stringify({ ...place, likes: this.likes }));
    } catch {
      this.#storage.removeItem(this.#key); // Full: an older place would be repeated to the person.
    }
  }
}
