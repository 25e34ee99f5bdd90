/** Memory over many attacks in one page. */

import assert from 'node:assert/strict';

import { asThePaper } from '../../www/js/presets.js';
import { testDigits } from '../examples.mjs';
import { test } from '../suite.mjs';

const MIB = 1 << 20;
/** A thousand attacks: through the views, two at a time, and by an engine of the same page without views. */
const SIZES = [
  { name: '1,000 S-O attacks in one page', duels: 60, attacks: 880, long: false },
  { name: '1,000 S-O attacks through the views', duels: 500, attacks: 0, long: true },
];
/** The part of them after which nothing should grow any more. */
const WARM = 1 / 10;

/** What a worker of the page is made to tell: the bytes of its WebAssembly memory. */
const TELLING = '\nself.wasmBytes = () => initSync().memory.buffer.byteLength;\n';

/**
 * Bytes in use, after the collectors have run: of the page's objects, and of each worker's WebAssembly memory.
 *
 * @param {import('playwright-core').Page} page
 */
async function inUse(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  // Typed arrays lie beside the heap.
  const { usedSize, backingStorageSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  const workers = page.workers().map((worker) =>
    worker.evaluate(() => {
      globalThis.gc();
      return globalThis.wasmBytes();
    }),
  );
  return { page: usedSize + backingStorageSize, workers: await Promise.all(workers) };
}

for (const { name, duels, attacks, long } of SIZES) {
  test(`memory stays bounded over ${name}`, (world) => bounded(world, duels, attacks), { long });
}

/**
 * @param {import('../world.mjs').World} world
 * @param {number} duels
 * @param {number} attacks
 */
async function bounded(world, duels, attacks) {
  for (const file of ['engine/worker.js', 'engine/coordinator.js']) {
    world.host.changed.set(file, Buffer.concat([await world.host.bytes(file), Buffer.from(TELLING)]));
  }
  // A worker that keeps the page would refuse files which are not those of its list.
  const visit = await world.visit({ serviceWorkers: 'block' });
  const { page } = visit;
  const slot = (/** @type {string} */ letter) => `${letter}.kind=so&${letter}.steps=5&${letter}.samples=2&${letter}.start=natural`;
  await visit.open(`#${slot('a')}&${slot('b')}`);
  await visit.ready();
  const base = world.host.address;
  await page.evaluate(async (folder) => {
    const { Engine } = await import(`${folder}engine/engine.js`);
    globalThis.engine = await Engine.start({ base: folder });
    await globalThis.engine.load('madry_linf');
  }, base);
  const examples = await testDigits(world, 10);
  const attack = { ...asThePaper('so', 'l2'), steps: 5, samples: 2 };

  const fight = (/** @type {number} */ count) =>
    page.evaluate(async (times) => {
      const button = document.querySelector('.transport button.primary');
      const again = () => new Promise((resolve) => requestAnimationFrame(resolve));
      for (let time = 0; time < times; time += 1) {
        button.click();
        do await again();
        while (button.textContent !== 'Run again');
      }
    }, count);
  const attackAlone = (/** @type {number} */ count) =>
    page.evaluate(
      async ([times, settings, digits]) => {
        for (let time = 0; time < times; time += 1) {
          const { id, label, pixels } = digits[time % digits.length];
          const image = Float32Array.from(atob(pixels), (letter) => letter.charCodeAt(0) / 255);
          const run = await globalThis.engine.attack({ network: 'madry_linf', attack: settings, pixels: image, labels: Uint8Array.of(label), ids: [id], seed: time });
          await run.run(() => {});
        }
      },
      /** @type {const} */ ([count, attack, examples]),
    );

  await fight(WARM * duels);
  await attackAlone(WARM * attacks);
  const start = await inUse(page);
  await fight((1 - WARM) * duels);
  await attackAlone((1 - WARM) * attacks);
  const end = await inUse(page);

  const sum = (/** @type {number[]} */ bytes) => bytes.reduce((total, each) => total + each, 0);
  const inMib = (/** @type {number} */ bytes) => (bytes / MIB).toFixed(1);
  world.note(`page ${inMib(start.page)} to ${inMib(end.page)} MiB, ${end.workers.length} workers ${inMib(sum(start.workers))} to ${inMib(sum(end.workers))} MiB`);
  assert.equal(start.workers.length, end.workers.length);
  // An image of 3,136 bytes kept of each of 900 attacks would be 2.7 MiB, of each of their steps 16 MiB.
  assert.ok(end.page - start.page < 2 * MIB, `the page grew by ${inMib(end.page - start.page)} MiB`);
  assert.ok(sum(end.workers) - sum(start.workers) < MIB, `the workers grew by ${inMib(sum(end.workers) - sum(start.workers))} MiB`);
}
