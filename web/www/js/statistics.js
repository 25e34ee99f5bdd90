/** 97.5 % quantile of the standard normal distribution: a two-sided interval of 95 %. */
const QUANTILE = 1.959963984540054;

/**
 * Wilson's score interval of 95 % for a proportion. Unlike the normal one it stays within [0, 1] and says something at
 * 0 of n and n of n as well (Wilson 1927; Brown, Cai and DasGupta 2001).
 *
 * @param {number} successes how many of the trials succeeded
 * @param {number} trials
 * @returns {{low: number, high: number}} `{low: 0, high: 1}` without trials: nothing is known
 */
export function wilsonInterval(successes, trials) {
  if (!(trials > 0)) return { low: 0, high: 1 };
  const share = successes / trials;
  const square = QUANTILE * QUANTILE;
  const centre = share + square / (2 * trials);
  const spread = QUANTILE * Math.sqrt((share * (1 - share)) / trials + square / (4 * trials * trials));
  const scale = 1 + square / trials;
  return {
    low: successes === 0 ? 0 : Math.max(0, (centre - spread) / scale),
    high: successes === trials ? 1 : Math.min(1, (centre + spread) / scale),
  };
}

/**
 * Probabilities of the classes.
 *
 * @param {ArrayLike<number>} logits
 * @returns {number[]}
 */
export function softmax(logits) {
  let largest = -Infinity;
  for (let k = 0; k < logits.length; k++) largest = Math.max(largest, logits[k]);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/**
 * Index of the largest entry, the first of equals.
 *
 * @param {ArrayLike<number>} values
 */
export function argmax(values) {
  let best = 0;
  for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
  return best;
}
