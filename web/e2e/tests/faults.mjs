/** Files that are damaged or missing, and browsers that lack something. */

import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';

import { test } from '../suite.mjs';
import { BUILD } from '../visit.mjs';

const QUICK = '#a.network=natural&a.steps=2&b.network=madry_linf&b.steps=2&b.samples=2';

/**
 * A file with one bit turned.
 *
 * @param {Uint8Array} bytes
 * @param {number} place
 */
function flipped(bytes, place) {
  const damaged = Uint8Array.from(bytes);
  damaged[place] ^= 1;
  return damaged;
}

/**
 * Lets a browser answer like one that does not know the instructions of a question: modules that ask are short, and the one that asks
 * for fused instructions is the longest of them.
 *
 * @param {import('../visit.mjs').Visit} visit
 * @param {number} length  of the shortest question whose answer is no
 */
function lacks(visit, length) {
  return visit.page.addInitScript((shortest) => {
    const { validate } = WebAssembly;
    WebAssembly.validate = (bytes) => {
      const size = new Uint8Array(bytes).length;
      return (size < shortest || size > 100) && validate(bytes);
    };
  }, length);
}

test('damaged weights are refused in words, the rest works, and whole ones are taken later', async (world) => {
  const file = 'networks/madry_linf.safetensors';
  const whole = await world.host.bytes(file);
  const damages = [
    ['one bit of the last weight', flipped(whole, whole.length - 1)],
    ['one bit of the header', flipped(whole, 20)],
    ['cut off', whole.subarray(0, 100_000)],
    ['empty', new Uint8Array()],
  ];
  for (const [what, bytes] of damages) {
    world.host.changed.set(file, bytes);
    const visit = await world.visit();
    await visit.open(QUICK);
    await visit.notice(/^The weights of Madry l∞ are damaged: their SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}\. Load the page again/u);
    // The other slot's network says what it sees.
    await visit.page.locator('.slot-a .verdict', { hasText: 'says' }).waitFor();
    await visit.run.click();
    await visit.page.locator('.transport button.primary', { hasText: 'Run again' }).waitFor();
    assert.equal(await visit.readout('b', 'Passes'), '–', what);
    world.host.changed.delete(file);
    await visit.runBoth();
    assert.match(await visit.verdict('b'), /says \d/u, what);
    assert.notEqual(await visit.readout('b', 'Passes'), '–', what);
  }
});

test('weights that the browser kept and that were damaged there are fetched again', async (world) => {
  const visit = await world.visit();
  await visit.open(QUICK);
  await visit.ready();
  const kept = await visit.page.evaluate(async () => {
    const cache = await caches.open('saddle-networks');
    const keys = await cache.keys();
    for (const key of keys) {
      const bytes = new Uint8Array(await (await cache.match(key)).arrayBuffer());
      bytes[1000] ^= 1;
      await cache.put(key, new Response(bytes));
    }
    return keys.length;
  });
  assert.equal(kept, 2);
  world.host.asked = [];
  await visit.page.reload();
  await visit.ready();
  assert.equal(world.host.asked.filter((path) => path.endsWith('.safetensors')).length, 2);
  assert.deepEqual(await visit.notices(), []);
  world.host.asked = [];
  await visit.page.reload();
  await visit.ready();
  assert.equal(world.host.asked.filter((path) => path.endsWith('.safetensors')).length, 0, 'what was kept whole is not fetched');
});

test('a file that is missing is named, and nothing is left hanging', async (world) => {
  for (const [file, words] of /** @type {const} */ ([
    ['networks/natural.safetensors', /^The weights of Natural cannot be fetched: \/some\/where\/networks\/natural\.safetensors gives 404\.$/u],
    ['networks/index.json', /^The list of networks cannot be fetched: .+ gives 404\.$/u],
    [`wasm/saddle_web.${BUILD}.wasm`, /^The program of this page is not there: .+ gives 404\.$/u],
    ['digits.bin', /digits\.bin could not be fetched \(status 404\)/u],
    ['engine/coordinator.js', /^A worker of the page has ended: .+/u],
    // On one core the coordinator is the only worker.
    ...(availableParallelism() > 1 ? [/** @type {const} */ (['engine/worker.js', /^A worker of the page has ended: .+/u])] : []),
  ])) {
    world.host.changed.set(file, null);
    const visit = await world.visit();
    visit.expect(/status of 404/u);
    await visit.page.goto(world.host.address + QUICK);
    await visit.notice(words);
    if (!file.endsWith('.safetensors')) await visit.page.getByText('The page could not start.').waitFor();
    world.host.changed.delete(file);
  }
});

test('without fused instructions the module without them is chosen', async (world) => {
  const visit = await world.visit();
  await lacks(visit, 40);
  await visit.open(QUICK);
  await visit.ready();
  assert.match(await visit.page.locator('#kernels').innerText(), /^simd128, /u);
  assert.deepEqual(await visit.notices(), []);
  await visit.runBoth();
});

test('without vector instructions the portable build is chosen, says so, and computes the same', async (world) => {
  const visit = await world.visit();
  await lacks(visit, 0);
  world.host.asked = [];
  await visit.open(QUICK);
  await visit.ready();
  assert.match(await visit.page.locator('#kernels').innerText(), /^portable, /u);
  assert.match((await visit.notices()).join(), /no WebAssembly vector instructions; everything works, several times slower/u);
  const modules = new Set(world.host.asked.filter((path) => path.endsWith('.wasm')));
  assert.deepEqual([...modules], ['/some/where/wasm/saddle_web.portable.wasm']);
  await visit.runBoth();
  const portable = JSON.parse((await visit.download('JSON of A')).bytes.toString('utf8'));
  const { outcomes } = await world.native.replay([portable]);
  assert.deepEqual([outcomes[0].here.prediction, outcomes[0].here.fooled], [portable.measured.prediction, portable.measured.fooled]);
  outcomes[0].here.losses.forEach((loss, step) => assert.ok(Math.abs(portable.measured.losses[step] - loss) <= 0.01 * loss, `step ${step}`));
});
