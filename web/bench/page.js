/**
 * The page that is timed: the demo's engine, once with one worker and once with two, and tfjs in a worker of its own.
 *
 * @module
 */

import { Digits } from '../js/digits.js';
import { Engine } from '../engine/engine.js';
import { EPSILON, WORKS } from './work.js';

const NETWORK = 'madry_linf';
const BASE = new URL('../', import.meta.url);
const PIXELS = 784;

/** Answers of the rival's worker, in the order of the questions. */
class Rival {
  /** @type {((value: any) => void)[]} */
  #waiting = [];

  constructor() {
    this.worker = new Worker(new URL('rival.js', import.meta.url));
    this.worker.onmessage = ({ data }) => this.#waiting.shift()?.(data);
    this.worker.onerror = (event) => {
      throw new Error(`the rival's worker has ended: ${event.message}`);
    };
  }

  /**
   * @param {object} question
   * @returns {Promise<any>}
   */
  async ask(question) {
    const answer = new Promise((resolve) => this.#waiting.push(resolve));
    this.worker.postMessage(question);
    const { value, error } = await answer;
    if (error) throw new Error(`the rival: ${error}`);
    return value;
  }
}

/** One digit, and twenty that differ from it by noise as the points of an attack do. */
async function subjects() {
  const digits = await Digits.load(BASE);
  const { pixels: natural, label, id } = /** @type {import('../www/js/digits.js').Example} */ (digits.example(digits.ids[0]));
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const points = Float32Array.from({ length: 20 * PIXELS }, (_, place) => {
    const moved = natural[place % PIXELS] + (2 * uniform() - 1) * EPSILON;
    return Math.min(1, Math.max(0, moved));
  });
  return { natural, label, points, id: Number(id) };
}

const { natural, label, points, id } = await subjects();
const labels = (/** @type {number} */ count) => new Uint8Array(count).fill(label);

/** @type {Map<number, Engine>} */
const engines = new Map();
for (const workers of [1, 2]) {
  const engine = await Engine.start({ workers, base: BASE });
  await engine.load(NETWORK);
  engines.set(workers, engine);
}
const rival = new Rival();
await rival.ask({ name: 'load', weights: new URL(`networks/${NETWORK}.safetensors`, BASE).href });

/**
 * @param {string} name  of a work
 * @param {number} workers
 * @param {number} seed
 */
async function ours(name, workers, seed) {
  const engine = /** @type {Engine} */ (engines.get(workers));
  const { kind, batch, steps, samples, stepSize, sigma } = WORKS[name];
  if (kind === 'gradient') {
    await engine.gradient(NETWORK, points.slice(0, batch * PIXELS), labels(batch));
    return;
  }
  const run = await engine.attack({
    network: NETWORK,
    attack: { kind, norm: 'linf', epsilon: EPSILON, stepSize, steps, sigma: sigma || 0.1, samples, start: 'natural', rule: 'steepest' },
    pixels: natural,
    labels: labels(1),
    ids: [id],
    seed,
    stopFooled: false,
  });
  let reports = 0;
  await run.run(() => {
    reports += 1;
  });
  if (reports !== steps + 1) throw new Error(`${reports} reports of ${steps} steps`);
}

/** What the driver of the browser calls; each resolves with wall milliseconds where it takes some. */
Object.assign(globalThis, {
  bench: {
    kernels: engines.get(1)?.kernels,

    async ours(/** @type {string} */ name, /** @type {number} */ repeats, workers = 1) {
      const start = performance.now();
      for (let repeat = 0; repeat < repeats; repeat += 1) await ours(name, workers, repeat);
      return (performance.now() - start) / repeats;
    },

    async theirs(/** @type {string} */ name, /** @type {number} */ repeats) {
      const work = { ...WORKS[name], epsilon: EPSILON };
      const images = work.kind === 'gradient' ? points.slice(0, work.batch * PIXELS) : natural;
      const start = performance.now();
      await rival.ask({ name: 'run', work, images, label, repeats });
      return (performance.now() - start) / repeats;
    },

    /** Largest difference of a logit, and relative l2 distance of the gradients, at the twenty points. */
    async apart() {
      const engine = /** @type {Engine} */ (engines.get(1));
      const mine = await engine.gradient(NETWORK, points, labels(20));
      const theirs = await rival.ask({ name: 'answer', images: points, label });
      const differences = mine.logits.map((logit, place) => Math.abs(logit - theirs.logits[place]));
      const norm = (/** @type {Float32Array} */ numbers) => Math.hypot(...numbers);
      const gradient = norm(mine.gradient.map((number, place) => number - theirs.gradient[place])) / norm(mine.gradient);
      return { logits: Math.max(...differences), gradient };
    },
  },
});
