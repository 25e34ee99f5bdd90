/**
 * The engine's parts that need no module: how points are split and joined, calls over ports, weight files.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { answer, buffers, Caller } from '../www/engine/calls.js';
import { Pool, split } from '../www/engine/pool.js';
import { Weights } from '../www/engine/weights.js';

/** A worker whose answers say which points it was asked for. */
function worker(asked) {
  const { port1, port2 } = new MessageChannel();
  answer(port1, {
    evaluate({ wanted, gradients, points, labels }) {
      asked.push(labels.length);
      const count = points.length / 784;
      const first = (index) => points[index * 784];
      return {
        losses: Float64Array.from({ length: wanted === 'logits' ? 0 : count }, (_, index) => first(index) + labels[index]),
        logits: Float32Array.from({ length: count * 10 }, (_, place) => first(Math.floor(place / 10))),
        gradient: wanted === 'gradient' ? points.slice(0, gradients * 784).map((pixel) => -pixel) : new Float32Array(),
      };
    },
  });
  return { port: port2, close: () => port1.close() };
}

test('shares are consecutive, differ by one at most, and cover everything', () => {
  for (const [count, workers] of [[1, 1], [1, 8], [20, 3], [7, 8], [1000, 7]]) {
    const shares = split(count, workers);
    assert.equal(shares.length, Math.min(count, workers));
    assert.equal(shares[0][0], 0);
    assert.equal(shares.at(-1)[1], count);
    const sizes = shares.map(([start, end]) => end - start);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1 && Math.min(...sizes) > 0);
    for (const [index, [, end]] of shares.slice(0, -1).entries()) assert.equal(shares[index + 1][0], end);
  }
});

test('answers are joined in the order of the points', async () => {
  const points = Float32Array.from({ length: 5 * 784 }, (_, place) => Math.floor(place / 784) + 0.5);
  const labels = Uint8Array.of(9, 8, 7, 6, 5);
  for (const wanted of ['gradient', 'losses', 'logits']) {
    const answers = [];
    for (const size of [1, 2, 3, 8]) {
      const asked = [];
      const workers = Array.from({ length: size }, () => worker(asked));
      const pool = new Pool(workers.map(({ port }) => port));
      const task = { network: 'any', wanted, points, labels, loss: 'cross_entropy' };
      answers.push(await pool.evaluate(task));
      assert.equal(asked.reduce((sum, count) => sum + count), 5);
      workers.forEach(({ close }) => close());
    }
    for (const other of answers.slice(1)) assert.deepEqual(other, answers[0]);
    const losses = wanted === 'logits' ? [] : [9.5, 9.5, 9.5, 9.5, 9.5];
    assert.deepEqual([...answers[0].losses], losses);
    assert.equal(answers[0].logits[49], 4.5);
    assert.equal(answers[0].gradient.length, wanted === 'gradient' ? 5 * 784 : 0);
    assert.equal(points[0], 0.5, 'the points are still there');
  }
});

test('gradients at the first points are joined without the others', async () => {
  const points = Float32Array.from({ length: 5 * 784 }, (_, place) => Math.floor(place / 784) + 0.5);
  for (const gradients of [0, 1, 3, 5]) {
    for (const size of [1, 2, 3, 8]) {
      const workers = Array.from({ length: size }, () => worker([]));
      const pool = new Pool(workers.map(({ port }) => port));
      const task = { network: 'any', wanted: 'gradient', gradients, points, labels: new Uint8Array(5), loss: 'cross_entropy' };
      const { logits, gradient } = await pool.evaluate(task);
      assert.deepEqual(gradient, points.slice(0, gradients * 784).map((pixel) => -pixel));
      assert.equal(logits.length, 50);
      workers.forEach(({ close }) => close());
    }
  }
});

test('errors travel in words, and an end rejects what is open and what follows', async () => {
  const { port1, port2 } = new MessageChannel();
  answer(port1, {
    refuse() {
      throw new RangeError('too far');
    },
    abandon() {
      throw new DOMException('another one', 'AbortError');
    },
    wait: () => new Promise(() => {}),
    echo: (value) => value,
  });
  const caller = new Caller(port2);
  assert.deepEqual(await caller.call('echo', { a: 1 }), { a: 1 });
  await assert.rejects(caller.call('refuse'), { name: 'RangeError', message: 'too far' });
  await assert.rejects(caller.call('abandon'), { name: 'AbortError', message: 'another one' });
  await assert.rejects(caller.call('toString'), /nothing here is called toString/u);
  const open = caller.call('wait');
  caller.fail(new Error('gone'));
  await assert.rejects(open, /gone/u);
  await assert.rejects(caller.call('echo', 1), /gone/u);
  port1.close();
});

test('buffers behind arrays are found once each', () => {
  const shared = new Float32Array(4);
  assert.deepEqual(buffers({ a: shared, b: shared.subarray(1), c: 3, d: null }), [shared.buffer]);
  assert.deepEqual(buffers('text'), []);
  assert.deepEqual(buffers(undefined), []);
});

/** A server and a cache with these weights; says what was fetched. */
function host(context, file, hash) {
  const card = { id: 'one', title: 'One', file: 'one.safetensors', bytes: file.length, sha256: hash };
  const fetched = [];
  const kept = new Map();
  const cache = {
    match: async (key) => (kept.has(key) ? new Response(kept.get(key)) : undefined),
    put: async (key, response) => kept.set(key, await response.arrayBuffer()),
    delete: async (key) => kept.delete(key),
  };
  const before = [globalThis.fetch, globalThis.caches];
  globalThis.fetch = async (url) => {
    fetched.push(url.pathname);
    return url.pathname.endsWith('.json') ? Response.json([card]) : new Response(file);
  };
  globalThis.caches = { open: async () => cache };
  context.after(() => {
    [globalThis.fetch, globalThis.caches] = before;
  });
  return { fetched, kept };
}

const BYTES = Uint8Array.from({ length: 3000 }, (_, index) => index % 251);
const HASH = createHash('sha256').update(BYTES).digest('hex');
const FOLDER = new URL('http://here/demo/');

test('weights are fetched once, checked, and kept', async (context) => {
  const { fetched, kept } = host(context, BYTES, HASH);
  const progress = [];
  const bytes = await new Weights(FOLDER).fetch('one', (loaded, total) => progress.push([loaded, total]));
  assert.deepEqual(new Uint8Array(bytes), BYTES);
  assert.deepEqual(progress.at(-1), [3000, 3000]);
  const again = await new Weights(FOLDER).fetch('one');
  assert.deepEqual(new Uint8Array(again), BYTES);
  assert.deepEqual(fetched.filter((name) => name.endsWith('.safetensors')), ['/demo/networks/one.safetensors']);
  // A damaged copy is thrown away and fetched again.
  for (const key of kept.keys()) kept.set(key, new Uint8Array(3000).buffer);
  assert.deepEqual(new Uint8Array(await new Weights(FOLDER).fetch('one')), BYTES);
  assert.equal(fetched.filter((name) => name.endsWith('.safetensors')).length, 2);
});

test('damaged weights are refused in words and not kept', async (context) => {
  const { kept } = host(context, BYTES, HASH.replace(/^./u, (digit) => (digit === '0' ? '1' : '0')));
  await assert.rejects(new Weights(FOLDER).fetch('one'), /The weights of One are damaged: their SHA-256 is/u);
  assert.equal(kept.size, 0);
  await assert.rejects(new Weights(FOLDER).fetch('two'), /no network called two/u);
});
