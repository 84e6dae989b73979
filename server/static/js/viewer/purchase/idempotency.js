/**
 * The idempotency keys of one purchase. The same operation with the same body keeps its key for as long as nobody
 * knows what became of it, so that a repeated tap or a lost answer never buys twice; a definite answer ends the key.
 */
import { randomId } from "../../random_id.js";
import { post } from "../../api.js";

const waiting = new Map();

/** POSTs `body` to `path` under the key that this very attempt has. */
export async function postOnce(path, body = {}) {
  const attempt = `${path} ${JSON.stringify(body)}`;
  const key = waiting.get(attempt) ?? randomId();
  waiting.set(attempt, key);
  try {
    const answer = await post(path, body, { "Idempotency-Key": key });
    waiting.delete(attempt);
    return answer;
  } catch (error) {
    if (!error.outcomeUnknown) waiting.delete(attempt);
    throw error;
  }
}
