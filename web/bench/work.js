/**
 * The units of work, in numbers that both sides read.
 *
 * @module
 */

/** Radius of all attacks, within l-infinity. */
export const EPSILON = 0.3;

/**
 * @typedef {object} Work
 * @property {'gradient'|'pgd'|'so'} kind
 * @property {number} batch  digits at once
 * @property {number} steps
 * @property {number} samples
 * @property {number} stepSize
 * @property {number} sigma
 */

/** @type {Record<string, Work>} */
export const WORKS = {
  input_gradient_1: { kind: 'gradient', batch: 1, steps: 1, samples: 1, stepSize: 0, sigma: 0 },
  input_gradient_20: { kind: 'gradient', batch: 20, steps: 1, samples: 1, stepSize: 0, sigma: 0 },
  pgd_40: { kind: 'pgd', batch: 1, steps: 40, samples: 1, stepSize: 0.01, sigma: 0 },
  so_40x20: { kind: 'so', batch: 1, steps: 40, samples: 20, stepSize: 0.01, sigma: 0.1 },
  so_400x1: { kind: 'so', batch: 1, steps: 400, samples: 1, stepSize: 0.01875, sigma: 0.1 },
  so_10x4: { kind: 'so', batch: 1, steps: 10, samples: 4, stepSize: 0.01, sigma: 0.1 },
};
