/**
 * The networks of a thread, and what they say at points.
 *
 * @module
 */

import { DigitNetwork } from '../wasm/saddle_web.js';

/** @type {Map<string, DigitNetwork>} */
const loaded = new Map();

/** @param {string} id */
function network(id) {
  const found = loaded.get(id);
  if (!found) throw new Error(`The network ${id} is not loaded.`);
  return found;
}

/** What a thread that holds networks is called for. */
export const networks = {
  /** @param {{id: string, bytes: ArrayBuffer}} weights */
  load({ id, bytes }) {
    if (!loaded.has(id)) loaded.set(id, new DigitNetwork(new Uint8Array(bytes)));
  },

  /**
   * @param {import('./protocol.js').Task} task
   * @returns {import('./protocol.js').Answers}
   */
  evaluate({ network: id, wanted, gradients, points, labels, loss }) {
    if (wanted === 'logits') {
      const logits = network(id).logits(points);
      return { losses: new Float64Array(), logits, gradient: new Float32Array() };
    }
    const found =
      wanted === 'gradient'
        ? network(id).gradient(points, labels, loss, gradients)
        : network(id).losses(points, labels, loss);
    const { losses, logits, gradient } = found;
    found.free();
    return { losses, logits, gradient };
  },
};
