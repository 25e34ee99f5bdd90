/**
 * All that the page sees of the machine behind it.
 *
 * Nothing here computes: calls go to the coordinator, a worker of its own, so that the page never waits. Every promise
 * that is rejected is rejected with an `Error` whose message a person understands.
 *
 * @module
 */

import { Caller } from './calls.js';
import { Weights } from './weights.js';

/** A module that holds one vector instruction and nothing else: `i32.const 0; i8x16.splat; i8x16.popcnt`. */
const VECTORS = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

/** The same with `f32x4.relaxed_madd` of three such vectors. */
const FUSED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0,
  10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11,
);

/** More workers than this would wait for each other at each step. */
const MOST_WORKERS = 8;

export class Engine {
  /**
   * Starts workers and loads the module into them.
   *
   * @param {{workers?: number, base?: URL | string}} [options]  `base` is the folder with `engine`, `wasm` and `networks`
   * @returns {Promise<Engine>}
   */
  static async start({ workers, base = new URL('../', import.meta.url) } = {}) {
    const folder = new URL(base, globalThis.location?.href);
    const asked = workers ?? Math.min(MOST_WORKERS, navigator.hardwareConcurrency ?? 2);
    if (!Number.isInteger(asked) || asked < 1 || asked > 64) {
      throw new Error(`${asked} workers cannot be started; ask for 1 to 64.`);
    }
    const build = WebAssembly.validate(FUSED) ? 'relaxed-simd' : WebAssembly.validate(VECTORS) ? 'simd128' : 'portable';
    const module = await compiled(new URL(`wasm/saddle_web.${build}.wasm`, folder));
    const engine = new Engine(folder, asked);
    try {
      await engine.#begin(module);
    } catch (error) {
      engine.close();
      throw error;
    }
    return engine;
  }

  /** @type {Worker[]} */
  #threads = [];
  /** @type {Caller[]} */
  #callers = [];
  /** @type {Caller} */
  #coordinator;
  /** @type {Map<string, Promise<void>>} */
  #loaded = new Map();
  /** @type {Weights} */
  #weights;

  /**
   * Use {@link Engine.start}.
   *
   * @param {URL} folder
   * @param {number} workers
   */
  constructor(folder, workers) {
    /** Number of workers that share the work. */
    this.workers = workers;
    /** Instructions in use: `relaxed-simd`, `simd128` or `portable`. */
    this.kernels = '';
    this.#weights = new Weights(folder);
    this.#coordinator = this.#thread('coordinator.js');
  }

  /** What the person should know of this browser, in sentences. */
  get warnings() {
    const warnings = [...this.#weights.warnings];
    if (this.kernels === 'portable') {
      warnings.push('This browser has no WebAssembly vector instructions; everything works, several times slower.');
    }
    return warnings;
  }

  /**
   * @param {string} file
   * @returns {Caller}
   */
  #thread(file) {
    const worker = new Worker(new URL(file, import.meta.url), { type: 'module' });
    const caller = new Caller(worker);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`A worker of the page has ended: ${event.message || `${file} cannot be loaded`}.`));
    };
    this.#threads.push(worker);
    this.#callers.push(caller);
    return caller;
  }

  /** @param {WebAssembly.Module} module */
  async #begin(module) {
    const starts = [];
    const ports = [];
    // The coordinator is one of them.
    for (let index = 1; index < this.workers; index += 1) {
      const { port1, port2 } = new MessageChannel();
      starts.push(this.#thread('worker.js').call('start', { module, port: port1 }, [port1]));
      ports.push(port2);
    }
    await Promise.all(starts);
    this.kernels = await this.#coordinator.call('start', { module, ports }, ports);
  }

  /** @param {Error} error */
  #fail(error) {
    for (const caller of this.#callers) caller.fail(error);
  }

  /** Ends the workers; what is open is rejected. */
  close() {
    for (const thread of this.#threads) thread.terminate();
    this.#fail(new Error('The engine was closed.'));
  }

  /**
   * The networks of the page.
   *
   * @returns {Promise<import('./protocol.js').NetworkCard[]>}
   */
  networks() {
    return this.#weights.index();
  }

  /**
   * Loads a network's weights into every worker, once.
   *
   * @param {string} id
   * @param {(loaded: number, total: number) => void} [onProgress]
   * @returns {Promise<void>}
   */
  load(id, onProgress) {
    const known = this.#loaded.get(id);
    if (known) return known;
    const loading = this.#weights
      .fetch(id, onProgress)
      .then((bytes) => this.#coordinator.call('load', { id, bytes }, [bytes]));
    this.#loaded.set(id, loading);
    // Another try may succeed.
    loading.catch(() => this.#loaded.delete(id));
    return loading;
  }

  /**
   * Ten class scores for each digit.
   *
   * @param {string} id
   * @param {Float32Array} pixels
   * @returns {Promise<Float32Array>}
   */
  async classify(id, pixels) {
    const labels = new Uint8Array();
    const task = { network: id, wanted: 'logits', points: pixels, labels, loss: 'cross_entropy' };
    return (await this.#coordinator.call('evaluate', task)).logits;
  }

  /**
   * Cross-entropy, logits and gradient at each digit.
   *
   * @param {string} id
   * @param {Float32Array} pixels
   * @param {Uint8Array} labels
   * @returns {Promise<import('./protocol.js').Answers>}
   */
  gradient(id, pixels, labels) {
    const task = { network: id, wanted: 'gradient', points: pixels, labels, loss: 'cross_entropy' };
    return this.#coordinator.call('evaluate', task);
  }

  /**
   * Begins an attack; its first step is the start.
   *
   * @param {import('./protocol.js').AttackRequest} request
   * @returns {Promise<AttackRun>}
   */
  async attack(request) {
    const { network, attack, pixels, labels, ids, seed, stopFooled } = request;
    const plain = { network, attack, pixels, labels, ids: [...ids], seed, stopFooled };
    const { number, steps } = await this.#coordinator.call('attack', plain);
    return new AttackRun(this.#coordinator, number, steps);
  }

  /**
   * The loss on a plane through a digit. Asking for another landscape rejects this one with an `AbortError`.
   *
   * @param {import('./protocol.js').LandscapeRequest} request
   * @returns {Promise<import('./protocol.js').LandscapeReport>}
   */
  landscape(request) {
    return this.#coordinator.call('landscape', request);
  }
}

/** An attack under way; made by {@link Engine.attack}. */
export class AttackRun {
  /** @type {Caller} */
  #coordinator;
  /** @type {number} */
  #number;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {(() => void) | undefined} */
  #wake;
  #paused = false;
  #cancelled = false;
  #over = false;

  /**
   * @param {Caller} coordinator
   * @param {number} number
   * @param {number} steps
   */
  constructor(coordinator, number, steps) {
    this.#coordinator = coordinator;
    this.#number = number;
    /** Steps of the attack; there is one report more, that of the start. */
    this.steps = steps;
  }

  /**
   * The next step's report; null when the attack is over or cancelled. Steps asked for at once come one after the other.
   *
   * @returns {Promise<import('./protocol.js').StepReport | null>}
   */
  step() {
    const next = this.#last.then(() => this.#step());
    this.#last = next.catch(() => {});
    return next;
  }

  async #step() {
    if (this.#over || this.#cancelled) return null;
    try {
      const report = await this.#coordinator.call('step', this.#number);
      if (report === null) await this.close();
      return this.#cancelled ? null : report;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Steps until the attack is over. After {@link AttackRun.cancel} no further report comes.
   *
   * @param {(report: import('./protocol.js').StepReport) => void | Promise<void>} onStep
   * @returns {Promise<'done' | 'cancelled'>}
   */
  async run(onStep) {
    for (;;) {
      if (this.#paused && !this.#cancelled) {
        await new Promise((resolve) => {
          this.#wake = () => resolve(undefined);
        });
      }
      const report = await this.step();
      if (report === null) return this.#cancelled ? 'cancelled' : 'done';
      await onStep(report);
    }
  }

  /** Lets {@link AttackRun.run} wait before its next step. */
  pause() {
    this.#paused = true;
  }

  /** Lets it go on. */
  resume() {
    this.#paused = false;
    this.#wake?.();
  }

  /** Ends the attack; a step that is under way is not reported. */
  cancel() {
    this.#cancelled = true;
    this.#wake?.();
    this.close().catch(() => {});
  }

  /** Frees what the attack holds; safe at any time and twice. */
  async close() {
    if (this.#over) return;
    this.#over = true;
    await this.#coordinator.call('close', this.#number);
  }
}

/**
 * @param {URL} url
 * @returns {Promise<WebAssembly.Module>}
 */
async function compiled(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`The program of this page is not there: ${url.pathname} gives ${response.status}.`);
  }
  // Not by streaming: that needs a host which knows the type of the file.
  return WebAssembly.compile(await response.arrayBuffer());
}
