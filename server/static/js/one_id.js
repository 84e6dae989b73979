/**
 * One id for one thing: the same thing keeps its id for as long as nobody knows what became of it, so that a repeated
 * tap or a lost answer never does it twice; a definite answer ends the id. Kept for as long as the tab is, also when
 * its page is loaded anew meanwhile.
 */
import { randomId } from "./random_id.js";

const KEY = "wealthcast.under-one-id";
const MOST = 64; // the oldest is forgotten first

const waiting = new Map(kept());

/** Awaits `send(id)` under the id that this very thing has; its error says `outcomeUnknown` where it may have been done. */
export async function underOneId(thing, send) {
  const id = waiting.get(thing) ?? randomId();
  waiting.set(thing, id);
  if (waiting.size > MOST) waiting.delete(waiting.keys().next().value);
  keep(); // before it is said: the page may be gone before the answer
  try {
    const answer = await send(id);
    end(thing);
    return answer;
  } catch (error) {
    if (!error.outcomeUnknown) end(thing);
    throw error;
  }
}

function end(thing) {
  waiting.delete(thing);
  keep();
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return []; // a browser that keeps nothing
  }
}

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify([...waiting]));
  } catch {
    // The page itself still has it.
  }
}
