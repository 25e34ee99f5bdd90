/**
 * Weight files: fetched once, checked by their hash, kept by the browser.
 *
 * @module
 */

/** Name of the cache; entries are keyed by the hash of their content, so none is ever stale. */
const CACHE = 'saddle-networks';

export class Weights {
  /** @param {URL} folder */
  constructor(folder) {
    this.folder = new URL('networks/', folder);
    /** @type {string[]} */
    this.warnings = [];
    if (!globalThis.crypto?.subtle) {
      this.warnings.push(
        'This page was not loaded over https or from this machine, so the browser offers no hashes: weights are used unchecked.',
      );
    }
  }

  /** @returns {Promise<import('./protocol.js').NetworkCard[]>} */
  index() {
    this.cards ??= this.#index();
    // Another try may succeed.
    this.cards.catch(() => {
      this.cards = undefined;
    });
    return this.cards;
  }

  async #index() {
    const response = await reached(new URL('index.json', this.folder), 'The list of networks');
    return response.json();
  }

  /**
   * Bytes of a network's file, checked.
   *
   * @param {string} id
   * @param {(loaded: number, total: number) => void} [onProgress]
   * @returns {Promise<ArrayBuffer>}
   */
  async fetch(id, onProgress = () => {}) {
    const card = (await this.index()).find((one) => one.id === id);
    if (!card) throw new Error(`There is no network called ${id}.`);
    const kept = await this.#kept(card);
    if (kept) {
      onProgress(card.bytes, card.bytes);
      return kept;
    }
    const url = new URL(card.file, this.folder);
    const response = await reached(url, `The weights of ${card.title}`);
    const bytes = await read(response, card.bytes, onProgress);
    const found = await sha256(bytes);
    if (bytes.byteLength !== card.bytes || (found && found !== card.sha256)) {
      const wrong = found ? `their SHA-256 is ${found}, not ${card.sha256}` : `they have ${bytes.byteLength} bytes, not ${card.bytes}`;
      throw new Error(`The weights of ${card.title} are damaged: ${wrong}. Load the page again; if that does not help, the file on the server is broken.`);
    }
    await this.#keep(card, bytes);
    return bytes;
  }

  /** @param {import('./protocol.js').NetworkCard} card */
  #key(card) {
    return new URL(`${card.file}?sha256=${card.sha256}`, this.folder).href;
  }

  /**
   * The kept file, unless it is damaged.
   *
   * @param {import('./protocol.js').NetworkCard} card
   */
  async #kept(card) {
    try {
      const cache = await globalThis.caches?.open(CACHE);
      const response = await cache?.match(this.#key(card));
      if (!cache || !response) return undefined;
      const bytes = await response.arrayBuffer();
      if ((await sha256(bytes)) === card.sha256) return bytes;
      await cache.delete(this.#key(card));
    } catch {
      // A browser that keeps nothing, as in a private window, fetches again.
    }
    return undefined;
  }

  /**
   * @param {import('./protocol.js').NetworkCard} card
   * @param {ArrayBuffer} bytes
   */
  async #keep(card, bytes) {
    try {
      const cache = await globalThis.caches?.open(CACHE);
      await cache?.put(this.#key(card), new Response(bytes));
    } catch {
      // No room is no failure.
    }
  }
}

/**
 * @param {URL} url
 * @param {string} what
 */
async function reached(url, what) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new Error(`${what} cannot be fetched; is there a connection?`);
  }
  if (!response.ok) throw new Error(`${what} cannot be fetched: ${url.pathname} gives ${response.status}.`);
  return response;
}

/**
 * @param {Response} response
 * @param {number} total
 * @param {(loaded: number, total: number) => void} onProgress
 * @returns {Promise<ArrayBuffer>}
 */
async function read(response, total, onProgress) {
  if (!response.body) return response.arrayBuffer();
  const reader = response.body.getReader();
  const parts = [];
  let loaded = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    onProgress(loaded, total);
  }
  return new Blob(parts).arrayBuffer();
}

/**
 * Lower-case hex; empty where the browser offers no hashes.
 *
 * @param {ArrayBuffer} bytes
 */
async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return '';
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
