/**
 * The page in headless Chromium, beside the native program. `cargo xtask web --test` builds what is needed and starts it:
 *
 *     node web/e2e/run.mjs --page DIR --saddle FILE --zoo DIR --folder DIR [--long] [--only TEXT]... [--patience SECONDS]
 *
 * A line for each test, and at the end `N passed, N failed`. Every test also fails on an error in the console, on an
 * error that nobody caught, and on a request to another origin. Of a test that fails a picture of the page and the console
 * are kept in `failures` of the folder, which also holds the packages from npm.
 *
 * @module
 */

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { suite } from './suite.mjs';
import { World } from './world.mjs';

import './tests/loading.mjs';
import './tests/numbers.mjs';
import './tests/running.mjs';
import './tests/batch.mjs';
import './tests/drawing.mjs';
import './tests/links.mjs';
import './tests/faults.mjs';
import './tests/offline.mjs';
import './tests/manners.mjs';
import './tests/accessibility.mjs';
import './tests/memory.mjs';

const { values } = parseArgs({
  options: {
    page: { type: 'string' },
    saddle: { type: 'string' },
    zoo: { type: 'string' },
    folder: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    long: { type: 'boolean', default: false },
    patience: { type: 'string', default: '60' },
  },
});
for (const name of ['page', 'saddle', 'zoo', 'folder']) {
  if (!values[name]) throw new Error(`--${name} is missing; start the tests by: cargo xtask web --test`);
}

const chosen = suite.filter(
  ({ name, long }) => (values.long || !long) && (values.only.length === 0 || values.only.some((text) => name.includes(text))),
);
const failures = path.join(values.folder, 'failures');
await rm(failures, { recursive: true, force: true });
const world = await World.open({ ...values, patience: Number(values.patience) * 1000, failures });
let passed = 0;
for (const { name, run } of chosen) {
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  try {
    await within(run(world), 10 * world.patience);
    const words = await world.endOfTest();
    passed += 1;
    console.log(`ok      ${name}  (${[...words, seconds()].join(', ')})`);
  } catch (error) {
    console.log(`FAILED  ${name}  (${seconds()})\n${String(error.stack ?? error).replace(/^/gmu, '        ')}`);
    for (const file of await world.afterFailure(name)) console.log(`        kept: ${file}`);
  }
}
await world.close();
if (chosen.length === 0) console.log('no test was run; see --only');
console.log(`${passed} passed, ${chosen.length - passed} failed`);
// Whatever still waits, the verdict stands.
process.exit(passed === chosen.length && passed > 0 ? 0 : 1);

/**
 * @param {Promise<void>} work
 * @param {number} milliseconds
 */
async function within(work, milliseconds) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
