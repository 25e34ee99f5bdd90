/**
 * A worker that answers for points. It has an instance of the module of its own; it starts with a module and a port, over
 * which the coordinator calls it.
 *
 * @module
 */

import { initSync } from '../wasm/saddle_web.js';
import { answer } from './calls.js';
import { networks } from './networks.js';

answer(/** @type {any} */ (self), {
  /** @param {{module: WebAssembly.Module, port: MessagePort}} start */
  start({ module, port }) {
    initSync({ module });
    answer(port, networks);
  },
});
