/**
 * The worker that holds attacks under way. An attack asks for gradients at points, the pool answers, the attack is told, and
 * the page gets a report of the step.
 *
 * The coordinator is the last of the pool's workers itself: no thread sleeps through a step.
 *
 * @module
 */

import { AttackRun, initSync, kernels, Landscape } from '../wasm/saddle_web.js';
import { answer } from './calls.js';
import { networks } from './networks.js';
import { Pool } from './pool.js';

/** Points of a landscape in one task: few, so that steps of attacks get in between. */
const LANDSCAPE_POINTS = 256;

/** @type {Pool} */
let pool;
/**
 * What the network says at the points of an attack's open question, and how long it took to say.
 *
 * @typedef {{gradients: number, told: import('./protocol.js').Answers, milliseconds: number}} Look
 */

/** @type {Map<number, {run: AttackRun, network: string, ahead?: Promise<Look | null>}>} */
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
 * Asks an attack for its next question, and the pool for the answer. None when the attack is over.
 *
 * @param {{run: AttackRun, network: string}} entry
 * @returns {Promise<Look | null>}
 */
async function look({ run, network }) {
  const start = performance.now();
  const question = run.ask();
  if (!question) return null;
  const { gradients, points, labels } = taken(question, ['gradients', 'points', 'labels']);
  const wanted = gradients > 0 ? 'gradient' : 'logits';
  const told = await pool.evaluate({ network, wanted, gradients, points, labels, loss: run.loss });
  return { gradients, told, milliseconds: performance.now() - start };
}

/**
 * One step: questions and answers until the attack has a report. None when it is over.
 *
 * The workers look for the next step while the page shows this one: one step more than a page that pauses will see.
 *
 * @param {number} number
 * @returns {Promise<import('./protocol.js').StepReport | null>}
 */
async function step(number) {
  let milliseconds = 0;
  let looks = 0;
  for (;;) {
    const entry = runs.get(number);
    if (!entry) return null;
    const answer = entry.ahead ?? look(entry);
    entry.ahead = undefined;
    const seen = await answer;
    if (!seen || !runs.has(number)) return null;
    const start = performance.now();
    const { run } = entry;
    const { steps } = run;
    const report = run.tell(seen.told.logits, seen.gradients > 0 ? seen.told.gradient : undefined);
    looks += seen.gradients;
    milliseconds += seen.milliseconds + performance.now() - start;
    if (report) {
      entry.ahead = look(entry);
      // Whoever asks for the next step hears of it.
      entry.ahead.catch(() => {});
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
    // By a port as well: the others have their points before this thread sets to work, and other calls get in between.
    const own = new MessageChannel();
    answer(own.port1, networks);
    pool = new Pool([...ports, own.port2]);
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
