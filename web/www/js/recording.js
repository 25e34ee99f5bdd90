/** @import { StepReport } from '../engine/protocol.js' */

/** At most so many images are kept of one run: 3,136 bytes each, 1.6 MB in all. */
export const MOST_FRAMES = 512;

/**
 * @typedef {object} Frame what one step left behind
 * @property {number} step
 * @property {Float32Array} image 784 pixels
 * @property {Float32Array} logits 10
 * @property {number} prediction
 * @property {boolean} fooled
 * @property {number} loss
 * @property {number} gradientNorm l2 norm of what the attack saw from here; NaN at the end, where it does not look
 * @property {number} l2 distance from the natural digit
 * @property {number} linf
 * @property {number} passes spent so far
 */

/**
 * The steps of one attack on one digit, bounded in memory: every number of every step, and images of every step, every
 * second, every fourth ... as the run grows. The newest step always has its image.
 */
export class Recording {
  /** @type {Frame[]} */
  frames = [];
  /** @type {number[]} */
  losses = [];
  /** @type {number[]} */
  gradientNorms = [];
  /** @type {number[]} */
  distances = [];
  /** @type {number[]} */
  passes = [];
  /** Step at which the network was fooled first, or -1. */
  firstFooled = -1;
  /** Steps that the attack has in all. */
  steps = 0;
  milliseconds = 0;
  gradients = 0;
  /** Frames are kept at multiples of this step. */
  stride = 1;

  /**
   * @param {import('../engine/protocol.js').AttackSettings} attack
   * @param {ArrayLike<number>} natural the digit that distances are measured from
   */
  constructor(attack, natural) {
    this.attack = attack;
    this.natural = natural;
  }

  /** @param {StepReport} report of a run on a single digit */
  add(report) {
    const { step } = report;
    const last = this.frames.at(-1);
    if (last && last.step % this.stride !== 0) this.frames.pop();
    this.frames.push({
      step,
      image: report.images,
      logits: report.logits,
      prediction: report.predictions[0],
      fooled: report.fooled[0] === 1,
      loss: report.losses[0],
      gradientNorm: report.gradientNorms[0],
      l2: report.l2[0],
      linf: report.linf[0],
      passes: report.passes[0],
    });
    this.losses.push(report.losses[0]);
    this.gradientNorms.push(report.gradientNorms[0]);
    this.distances.push(this.#distance(report));
    this.passes.push(report.passes[0]);
    this.steps = report.steps;
    if (report.fooled[0] === 1 && this.firstFooled < 0) this.firstFooled = step;
    this.milliseconds += report.milliseconds;
    this.gradients += report.gradients;
    if (this.frames.length > MOST_FRAMES) {
      this.stride *= 2;
      const newest = this.frames.length - 1;
      this.frames = this.frames.filter((frame, index) => frame.step % this.stride === 0 || index === newest);
    }
  }

  /**
   * Distance in the attack's own norm.
   *
   * @param {StepReport} report
   */
  #distance(report) {
    if (this.attack.norm === 'linf') return report.linf[0];
    if (this.attack.norm === 'l2') return report.l2[0];
    return report.images.reduce((sum, pixel, index) => sum + Math.abs(pixel - this.natural[index]), 0);
  }

  /** @returns {Frame | undefined} */
  get newest() {
    return this.frames.at(-1);
  }

  /**
   * The last frame that had been reached when this many passes were spent.
   *
   * @param {number} passes
   * @returns {Frame | undefined}
   */
  at(passes) {
    let found = this.frames[0];
    for (const frame of this.frames) {
      if (frame.passes > passes) break;
      found = frame;
    }
    return found;
  }
}
