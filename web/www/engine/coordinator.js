/**
 * The worker that holds attacks under way. It knows no network: an attack asks for gradients at points, the pool answers,
 * the attack is told, and the page gets a report of the step.
 *
 * @module
 */

import { AttackRun, initSync, kernels, Landscape } from '../wasm/saddle_web.js';
import { answer } from './calls.js';
import { Pool } from './pool.js';

/** Points of a landscape in one task: few, so that steps of attacks get in between. */
const LANDSCAPE_POINTS = 256;

/** @type {Pool} */
let pool;
/** @type {Map<number, {run: AttackRun, network: string}>} */
const runs = new Map();
let begun = 0;
let landscapes = 0;

/** @param {number} number */
function close(number) {
  runs.get(number)?.run.free();
  runs.delete(number);
}

/**
 * The fields of one of the module's objects, which is freed.
 *
 * @param {any} object
 * @param {string[]} fields
 */
function taken(object, fields) {
  const values = Object.fromEntries(fields.map((field) => [field, object[field]]));
  object.free();
  return values;
}

const REPORT = ['step', 'images', 'logits', 'losses', 'gradientNorms', 'l2', 'linf', 'predictions', 'fooled', 'passes'];

/**
 * One step: questions and answers until the attack has a report. None when it is over.
 *
 * @param {number} number
 * @returns {Promise<import('./protocol.js').StepReport | null>}
 */
async function step(number) {
  const start = performance.now();
  let looks = 0;
  for (;;) {
    const entry = runs.get(number);
    const question = entry?.run.ask();
    if (!entry || !question) return null;
    const { gradients, points, labels } = taken(question, ['gradients', 'points', 'labels']);
    const { run, network } = entry;
    const { steps, loss } = run;
    looks += gradients;
    const wanted = gradients > 0 ? 'gradient' : 'logits';
    const told = await pool.evaluate({ network, wanted, gradients, points, labels, loss });
    if (!runs.has(number)) return null;
    const report = run.tell(told.logits, gradients > 0 ? told.gradient : undefined);
    if (report) {
      const milliseconds = performance.now() - start;
      return /** @type {any} */ ({ ...taken(report, REPORT), steps, milliseconds, gradients: looks });
    }
  }
}

/**
 * @param {import('./protocol.js').LandscapeRequest} request
 * @returns {Promise<import('./protocol.js').LandscapeReport>}
 */
async function landscape({ network, pixels, label, extent, resolution, sigma, samples, seed, direction }) {
  landscapes += 1;
  const own = landscapes;
  const loss = 'cross_entropy';
  const toward =
    direction ??
    (await pool.evaluate({ network, wanted: 'gradient', points: pixels, labels: Uint8Array.of(label), loss })).gradient;
  const plane = new Landscape(pixels, toward, extent, resolution, sigma, samples, seed);
  try {
    const each = plane.pointsPerPosition;
    const stride = Math.max(1, Math.floor(LANDSCAPE_POINTS / each));
    const losses = new Float64Array(plane.positions * each);
    for (let start = 0; start < plane.positions; start += stride) {
      const points = plane.points(start, Math.min(start + stride, plane.positions));
      const labels = new Uint8Array(points.length / 784).fill(label);
      const told = await pool.evaluate({ network, wanted: 'losses', points, labels, loss });
      if (own !== landscapes) throw new DOMException('Another landscape was asked for.', 'AbortError');
      losses.set(told.losses, start * each);
    }
    const surfaces = taken(plane.surfaces(losses), ['plain', 'smoothed']);
    const alongGradient = plane.alongGradient();
    return /** @type {any} */ ({ ...surfaces, alongGradient, alongNoise: plane.alongNoise(), flat: plane.flat });
  } finally {
    plane.free();
  }
}

answer(/** @type {any} */ (self), {
  /** @param {{module: WebAssembly.Module, ports: MessagePort[]}} start */
  start({ module, ports }) {
    initSync({ module });
    pool = new Pool(ports);
    return kernels();
  },

  /** @param {{id: string, bytes: ArrayBuffer}} weights */
  load: ({ id, bytes }) => pool.load(id, bytes),

  /** @param {import('./protocol.js').Task} task */
  evaluate: (task) => pool.evaluate(task),

  /** @param {import('./protocol.js').AttackRequest} request */
  attack({ network, attack, pixels, labels, ids, seed, stopFooled }) {
    const settings = JSON.stringify(attack);
    const run = new AttackRun(settings, pixels, labels, Float64Array.from(ids), seed, Boolean(stopFooled));
    begun += 1;
    runs.set(begun, { run, network });
    return { number: begun, steps: run.steps };
  },

  step,
  close,
  landscape,
});
