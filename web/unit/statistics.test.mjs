import assert from 'node:assert/strict';
import test from 'node:test';
import { argmax, softmax, wilsonInterval } from '../www/js/statistics.js';

test('the interval is the one that the formula gives by hand', () => {
  // 10 of 50: (0.2 + z²/100 ± z sqrt(0.16/50 + z²/10000)) / (1 + z²/50), z = 1.96.
  const { low, high } = wilsonInterval(10, 50);
  assert.ok(Math.abs(low - 0.112437) < 1e-5, String(low));
  assert.ok(Math.abs(high - 0.330371) < 1e-5, String(high));
});

test('the ends are exact and the middle is symmetric', () => {
  assert.equal(wilsonInterval(0, 50).low, 0);
  assert.equal(wilsonInterval(50, 50).high, 1);
  assert.ok(Math.abs(wilsonInterval(0, 50).high - 0.071348) < 1e-5);
  const half = wilsonInterval(25, 50);
  assert.ok(Math.abs(half.low + half.high - 1) < 1e-12);
  assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 });
});

test('probabilities sum to one however large the logits are', () => {
  const probabilities = softmax([1000, 999, -1000]);
  assert.ok(Math.abs(probabilities[0] - 1 / (1 + Math.exp(-1))) < 1e-12);
  assert.ok(Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-12);
  assert.equal(argmax([3, 7, 7, 1]), 1);
});
