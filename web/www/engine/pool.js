/**
 * Points split over workers.
 *
 * Each worker gets one run of consecutive points, and the answers are joined in the order of the points. A point's answer
 * does not depend on its company, so no bit depends on the number of workers.
 *
 * @module
 */

import { buffers, Caller } from './calls.js';

/** Fields of an answer; each lists its numbers point by point. */
const FIELDS = ['losses', 'logits', 'gradient'];

/** Pixels of a digit. */
const PIXELS = 784;

export class Pool {
  /** @param {MessagePort[]} ports */
  constructor(ports) {
    this.workers = ports.map((port) => new Caller(port));
  }

  /**
   * @param {string} id
   * @param {ArrayBuffer} bytes
   */
  async load(id, bytes) {
    await Promise.all(this.workers.map((worker) => worker.call('load', { id, bytes })));
  }

  /**
   * @param {import('./protocol.js').Task} task
   * @returns {Promise<import('./protocol.js').Answers>}
   */
  async evaluate(task) {
    const { points, labels, gradients = Infinity } = task;
    const count = Math.ceil(points.length / PIXELS);
    const shares = split(count, this.workers.length);
    const answers = await Promise.all(
      shares.map(([start, end], index) => {
        const part = {
          ...task,
          points: points.slice(start * PIXELS, end * PIXELS),
          labels: labels.slice(start, end),
          gradients: Math.min(Math.max(gradients - start, 0), end - start),
        };
        return this.workers[index].call('evaluate', part, buffers(part));
      }),
    );
    return answers.length === 1 ? answers[0] : join(answers);
  }
}

/**
 * Consecutive shares that differ by at most one; none is empty but the only one.
 *
 * @param {number} count
 * @param {number} workers
 * @returns {[number, number][]}
 */
export function split(count, workers) {
  const shares = Math.max(1, Math.min(count, workers));
  const at = (/** @type {number} */ share) => Math.floor((share * count) / shares);
  return Array.from({ length: shares }, (_, share) => [at(share), at(share + 1)]);
}

/**
 * @param {import('./protocol.js').Answers[]} answers
 * @returns {import('./protocol.js').Answers}
 */
function join(answers) {
  /** @type {any} */
  const joined = {};
  for (const field of FIELDS) {
    const length = answers.reduce((sum, answer) => sum + answer[field].length, 0);
    const whole = new answers[0][field].constructor(length);
    let place = 0;
    for (const answer of answers) {
      whole.set(answer[field], place);
      place += answer[field].length;
    }
    joined[field] = whole;
  }
  return joined;
}
