/**
 * What is measured beside time per call: processor time of a process, sizes of files, medians.
 *
 * @module
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

/** Larger files are compressed less hard, so that weighing them takes a second and not a minute. */
const LARGE = 4 << 20;

/**
 * Milliseconds that the threads of a process have run, as Linux counts them.
 *
 * @param {number} process
 */
export function processorTime(process) {
  const threads = `/proc/${process}/task`;
  const nanoseconds = readdirSync(threads).map((thread) => {
    try {
      return Number(readFileSync(`${threads}/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      return 0; // it has just ended
    }
  });
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}

/**
 * Megabytes of memory that a process holds.
 *
 * @param {number} process
 */
export function residentMemory(process) {
  const status = readFileSync(`/proc/${process}/status`, 'utf8');
  return Number(/VmRSS:\s*(\d+) kB/u.exec(status)?.[1]) / 1024;
}

/**
 * Bytes of every file below a folder, raw and compressed.
 *
 * @param {string} folder
 * @returns {Record<string, {bytes: number, brotli: number}>}
 */
export function weigh(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((file) => path.join(file.parentPath, file.name)).sort();
  return Object.fromEntries(
    paths.map((file) => {
      const bytes = readFileSync(file);
      const params = {
        [constants.BROTLI_PARAM_QUALITY]: bytes.length > LARGE ? 5 : 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      };
      return [path.relative(folder, file), { bytes: bytes.length, brotli: brotliCompressSync(bytes, { params }).length }];
    }),
  );
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Two of the values between which the median of their distribution lies with a probability of at least 95 of 100, whatever
 * the distribution: order statistics, by the binomial law. The smallest and the largest where there are fewer than six.
 *
 * @param {number[]} values
 * @returns {[number, number]}
 */
export function interval(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  let below = 0.5 ** count; // probability that at most `rank` values lie on one side
  let term = below;
  let rank = 0;
  while (2 * (below + (term * (count - rank)) / (rank + 1)) <= 0.05) {
    term = (term * (count - rank)) / (rank + 1);
    below += term;
    rank += 1;
  }
  return [sorted[rank], sorted[count - 1 - rank]];
}
