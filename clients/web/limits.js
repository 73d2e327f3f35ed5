/** Bounds of the protocol that the page has to keep; `tests/clients/web` compares them with `protocol/limits.py`. */

export const MAX_PROMPT = 2000; // characters
export const MAX_NAME = 32; // characters
export const MIN_FACTOR = 1.4143;
export const MAX_FACTOR = 16;
export const MAX_UPLOAD = 64 * 2 ** 20; // bytes
export const MAX_CHUNK = 60 * 2 ** 10; // bytes
export const MAX_FILE_NAME = 255; // characters
export const MAX_NAMED = 1000; // levels of blocks in one message
