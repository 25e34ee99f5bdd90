/**
 * A worker that holds networks and answers for points. It has an instance of the module of its own; it starts with a
 * module and a port, over which the coordinator calls it.
 *
 * @module
 */

import { DigitNetwork, initSync } from '../wasm/saddle_web.js';
import { answer } from './calls.js';

/** @type {Map<string, DigitNetwork>} */
const networks = new Map();

/** @param {string} id */
function network(id) {
  const found = networks.get(id);
  if (!found) throw new Error(`The network ${id} is not loaded.`);
  return found;
}

const functions = {
  /** @param {{id: string, bytes: ArrayBuffer}} weights */
  load({ id, bytes }) {
    if (!networks.has(id)) networks.set(id, new DigitNetwork(new Uint8Array(bytes)));
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

answer(/** @type {any} */ (self), {
  /** @param {{module: WebAssembly.Module, port: MessagePort}} start */
  start({ module, port }) {
    initSync({ module });
    answer(port, functions);
  },
});
