/**
 * One id for one thing: the same thing keeps its id for as long as nobody knows what became of it, so that a repeated
 * tap or a lost answer never does it twice; a definite answer ends the id. Kept for as long as the page is.
 */
import { randomId } from "./random_id.js";

const waiting = new Map();

/** Awaits `send(id)` under the id that this very thing has; its error says `outcomeUnknown` where it may have been done. */
export async function underOneId(thing, send) {
  const id = waiting.get(thing) ?? randomId();
  waiting.set(thing, id);
  try {
    const answer = await send(id);
    waiting.delete(thing);
    return answer;
  } catch (error) {
    if (!error.outcomeUnknown) waiting.delete(thing);
    throw error;
  }
}
