/**
 * The idempotency keys of one purchase. The same operation with the same body keeps its key for as long as nobody
 * knows what became of it, so that a repeated tap or a lost answer never buys twice; a definite answer ends the key.
 */
import { randomId } from "../../random_id.js";
import { post } from "../../api.js";

const waiting = new Map();

/**
 * POSTs `body` to `path` under the key that this very attempt has. `proof` goes along, but is no part of what is
 * asked: a newer one does not make another attempt.
 */
export async function postOnce(path, body = {}, proof = {}) {
  const attempt = `${path} ${JSON.stringify(body)}`;
  const key = waiting.get(attempt) ?? randomId();
  waiting.set(attempt, key);
  try {
    const answer = await post(path, { ...body, ...proof }, { "Idempotency-Key": key });
    waiting.delete(attempt);
    return answer;
  } catch (error) {
    if (!error.outcomeUnknown) waiting.delete(attempt);
    throw error;
  }
}
