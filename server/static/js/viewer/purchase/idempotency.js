/** The idempotency keys of one purchase: the same operation with the same body keeps its key until a definite answer. */
import { post } from "../../api.js";
import { underOneId } from "../../one_id.js";

/**
 * POSTs `body` to `path` under the key that this very attempt has. `proof` goes along, but is no part of what is
 * asked: a newer one does not make another attempt.
 */
export const postOnce = (path, body = {}, proof = {}) =>
  underOneId(`${path} ${JSON.stringify(body)}`, (key) => post(path, { ...body, ...proof }, { "Idempotency-Key": key }));
