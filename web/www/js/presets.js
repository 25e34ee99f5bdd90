/** @import { AttackSettings } from '../engine/protocol.js' */

/** @typedef {AttackSettings["kind"]} Kind */
/** @typedef {AttackSettings["norm"]} Norm */
/** @typedef {Required<AttackSettings>} Settings every field named, as the page keeps them */

/** @type {Record<Kind, string>} */
export const KIND_NAMES = { fgsm: 'FGSM', pgd: 'PGD', so: 'S-O', so_even: 'S-O, even part', so_odd: 'S-O, odd part' };
/** @type {Record<Norm, string>} */
export const NORM_NAMES = { l2: 'l2', linf: 'l∞', l1: 'l1' };
/** @type {Record<Norm, number>} */
const RADII = { l2: 2, linf: 0.3, l1: 20 };

/** @param {Kind} kind */
export const usesNoise = (kind) => kind.startsWith('so');

/**
 * Settings with which an attack of this kind does about its best in this norm for 400 steps of one gradient each. Steps
 * must travel well beyond the ball's radius, or a good direction looks like a bad one.
 *
 * @param {Kind} kind
 * @param {Norm} norm
 * @param {number} [epsilon]
 * @returns {Settings}
 */
export function strong(kind, norm, epsilon = RADII[norm]) {
  const single = kind === 'fgsm';
  return {
    kind,
    norm,
    epsilon,
    stepSize: single ? epsilon : rounded(epsilon / 16),
    steps: single ? 1 : 400,
    sigma: norm === 'linf' ? 0.1 : 0.2,
    samples: 1,
    start: single || usesNoise(kind) ? 'natural' : 'uniform',
    rule: 'steepest',
    momentum: 0,
    loss: 'cross_entropy',
    startSigma: 0.2,
  };
}

/**
 * The paper's setting: 40 steps, S-O with 20 samples each, PGD in l2 with the raw gradient as its Equation 2 prints it.
 * Step sizes and sigma are ours, since the paper names none.
 *
 * @param {Kind} kind
 * @param {Norm} norm
 * @returns {Settings}
 */
export function asThePaper(kind, norm) {
  const noisy = usesNoise(kind);
  const epsilon = norm === 'l2' ? 4 : RADII[norm];
  const settings = strong(kind, norm, epsilon);
  if (kind === 'fgsm') return settings;
  if (norm === 'l2') {
    settings.stepSize = noisy ? 0.25 : 1;
    settings.rule = noisy ? 'steepest' : 'raw';
  } else if (norm === 'linf') {
    settings.stepSize = 0.01;
  }
  settings.steps = 40;
  settings.samples = noisy ? 20 : 1;
  settings.start = noisy || norm === 'l2' ? 'natural' : 'uniform';
  return settings;
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(6));
}
