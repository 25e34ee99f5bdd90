/**
 * The page's digits, and attacks on them in the form that the page exports.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { Digits } from '../www/js/digits.js';

/** @typedef {import('./engine-page.mjs').Example} Example */

/**
 * So many of the page's digits, in the order in which its batch takes them.
 *
 * @param {import('./world.mjs').World} world
 * @param {number} count
 * @returns {Promise<Example[]>}
 */
export async function testDigits(world, count) {
  const index = JSON.parse(await readFile(path.join(world.places.page, 'digits.json'), 'utf8'));
  const digits = new Digits(index, await readFile(path.join(world.places.page, 'digits.bin')));
  return digits.balanced(count).map((place) => {
    const pixels = Buffer.from(digits.bytesAt(place)).toString('base64');
    return { id: digits.ids[place], label: digits.labels[place], pixels };
  });
}

/**
 * What the page would export: `web/www/js/export.js`.
 *
 * @param {{id: string, file: string, sha256: string}} card
 * @param {{attack: object, seed: number}} settings
 * @param {Example} example
 * @param {import('./native.mjs').Measured} measured
 */
export function exported(card, { attack, seed }, example, measured) {
  const network = { id: card.id, file: card.file, sha256: card.sha256 };
  return { saddle: 1, network, example, attack, seed, measured };
}
