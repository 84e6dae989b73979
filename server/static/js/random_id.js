/** A random id of 128 bits. Not `crypto.randomUUID`: browsers keep that from plain http, as phones use it with `--lan`. */
export const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
