import assert from 'node:assert/strict';
import test from 'node:test';
import { contour } from '../www/js/contour.js';

/** A function on a square grid of whole numbers. */
const grid = (side, value) => Float64Array.from({ length: side * side }, (_, k) => value(k % side, Math.floor(k / side)));

test('a plane has a straight line where it should be', () => {
  const segments = contour(grid(5, (x) => x), 5, 1.25);
  assert.equal(segments.length, 4);
  for (const [x1, , x2] of segments) assert.deepEqual([x1, x2], [1.25, 1.25]);
});

test('a circle is closed and has about its radius', () => {
  const segments = contour(grid(41, (x, y) => Math.hypot(x - 20, y - 20)), 41, 11.9);
  const ends = new Map();
  for (const [x1, y1, x2, y2] of segments) {
    for (const [x, y] of [[x1, y1], [x2, y2]]) {
      const key = `${x.toFixed(6)} ${y.toFixed(6)}`;
      ends.set(key, (ends.get(key) ?? 0) + 1);
      assert.ok(Math.abs(Math.hypot(x - 20, y - 20) - 11.9) < 0.05);
    }
  }
  assert.ok([...ends.values()].every((count) => count === 2), 'every end meets another');
});

test('a saddle is split on the side of its middle', () => {
  // High at upper left and lower right: a high middle joins them, so each line cuts off a low corner.
  const high = contour([1, 0, 0, 1], 2, 0.4);
  assert.deepEqual(high.map((segment) => segment.map((v) => Number(v.toFixed(2)))), [[0.6, 0, 1, 0.4], [0.4, 1, 0, 0.6]]);
  const low = contour([1, 0, 0, 1], 2, 0.6);
  assert.deepEqual(low.map((segment) => segment.map((v) => Number(v.toFixed(2)))), [[0, 0.4, 0.4, 0], [1, 0.6, 0.6, 1]]);
});

test('a flat function has no lines', () => {
  assert.deepEqual(contour(grid(4, () => 1), 4, 1), []);
});
