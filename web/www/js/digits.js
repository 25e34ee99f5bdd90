/**
 * @typedef {object} Pair two test digits of different classes that are close
 * @property {number} first index in the test set
 * @property {number} second
 * @property {[number, number]} labels
 * @property {number} distance l2
 * @property {[number, number]} pixels places of both images in digits.bin
 */
/** @typedef {{pixels: Float32Array, bytes: Uint8Array, label: number, id: number | null}} Example what an attack starts from */

const PIXELS = 784;

/** The test digits that come with the page: 200, the same number of each class, and those of the pairs. */
export class Digits {
  /** @type {number[]} */
  ids;
  /** @type {number[]} */
  labels;
  /** @type {Pair[]} */
  pairs;

  /**
   * @param {{count: number, ids: number[], labels: number[], pairs: Pair[]}} index
   * @param {Uint8Array} bytes
   */
  constructor(index, bytes) {
    this.ids = index.ids.slice(0, index.count);
    this.labels = index.labels.slice(0, index.count);
    this.pairs = index.pairs;
    this.bytes = bytes;
    /** @type {Map<number, number>} */
    this.places = new Map(this.ids.map((id, place) => [id, place]));
  }

  /** @param {URL} base folder of the page */
  static async load(base) {
    const [index, bytes] = await Promise.all([
      request(new URL('digits.json', base)).then((response) => response.json()),
      request(new URL('digits.bin', base)).then((response) => response.arrayBuffer()),
    ]);
    if (bytes.byteLength < index.count * PIXELS || index.ids.length < index.count) {
      throw new Error('digits.bin is shorter than digits.json says. Reload the page, or build the folder again.');
    }
    return new Digits(index, new Uint8Array(bytes));
  }

  get count() {
    return this.ids.length;
  }

  /**
   * @param {number} place in digits.bin
   * @returns {Uint8Array}
   */
  bytesAt(place) {
    return this.bytes.subarray(place * PIXELS, (place + 1) * PIXELS);
  }

  /**
   * @param {number} id index in the test set
   * @returns {Example | null} null when the page has no such digit
   */
  example(id) {
    const place = this.places.get(id);
    if (place === undefined) return null;
    const bytes = this.bytesAt(place);
    return { pixels: fromBytes(bytes), bytes, label: this.labels[place], id };
  }

  /**
   * Places of `count` digits, classes in turn, so that every prefix is as balanced as it can be.
   *
   * @param {number} count
   */
  balanced(count) {
    /** @type {number[][]} */
    const classes = Array.from({ length: 10 }, () => []);
    this.labels.forEach((label, place) => classes[label].push(place));
    const order = [];
    for (let rank = 0; order.length < this.count; rank++) {
      for (const places of classes) if (rank < places.length) order.push(places[rank]);
    }
    return order.slice(0, count);
  }
}

/**
 * Pixels in [0, 1], single precision, as every program of ours reads MNIST.
 *
 * @param {Uint8Array} bytes
 */
export function fromBytes(bytes) {
  return Float32Array.from(bytes, (byte) => byte / 255);
}

/** @param {URL} address */
async function request(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname} could not be fetched (status ${response.status}). Reload the page.`);
  return response;
}
