/**
 * The native program: `saddle attack --replay`.
 *
 * @module
 */

import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/**
 * What came of an attack natively: see `Replayed` in `crates/saddle/src/replay.rs`.
 *
 * @typedef {{steps: number, passes: number, prediction: number, fooled: boolean, l2: number, linf: number, losses: number[]}} Measured
 * @typedef {{browser: Measured, here: Measured & {logits: number[][], first_points_sha256: string}}} Replayed
 */

export class Native {
  /** @param {{saddle: string, zoo: string, folder: string}} places */
  constructor({ saddle, zoo, folder }) {
    this.saddle = saddle;
    this.zoo = zoo;
    this.folder = path.join(folder, 'replayed');
  }

  /**
   * Runs attacks that the page exported, all on one network.
   *
   * @param {object[]} exported  see `web/www/js/export.js`
   * @returns {Promise<{outcomes: Replayed[], printed: string}>}
   */
  async replay(exported) {
    await rm(this.folder, { recursive: true, force: true });
    await mkdir(this.folder, { recursive: true });
    const files = exported.map((_, index) => path.join(this.folder, `${index}.json`));
    await Promise.all(files.map((file, index) => writeFile(file, JSON.stringify(exported[index]))));
    const out = path.join(this.folder, 'out.json');
    const weights = path.join(this.zoo, exported[0].network.file);
    const line = ['attack', '--replay', ...files, '--weights', weights, '--out', out];
    const { stdout } = await promisify(execFile)(this.saddle, line, { maxBuffer: 64 << 20 });
    return { outcomes: JSON.parse(await readFile(out, 'utf8')), printed: stdout };
  }
}

/**
 * Index of the largest entry.
 *
 * @param {number[]} values
 */
export const argmax = (values) => values.indexOf(Math.max(...values));
