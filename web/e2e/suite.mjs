/**
 * The tests and the order in which they run: that of their files, and in each from top to bottom.
 *
 * @module
 */

/**
 * @typedef {object} Test
 * @property {string} name  what holds when it passes
 * @property {(world: import('./world.mjs').World) => Promise<void>} run
 * @property {boolean} long  whether it takes minutes
 */

/** @type {Test[]} */
export const suite = [];

/**
 * @param {string} name
 * @param {Test['run']} run
 * @param {{long?: boolean}} [options]
 */
export function test(name, run, { long = false } = {}) {
  suite.push({ name, run, long });
}
