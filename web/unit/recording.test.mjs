import assert from 'node:assert/strict';
import test from 'node:test';
import { MOST_FRAMES, Recording } from '../www/js/recording.js';

/** What a run on one digit reports of a step. */
function report(step) {
  return {
    step,
    steps: 2000,
    images: new Float32Array(784).fill(step),
    logits: new Float32Array(10),
    losses: Float64Array.of(step),
    gradientNorms: Float64Array.of(1),
    l2: Float64Array.of(2),
    linf: Float64Array.of(3),
    predictions: Uint8Array.of(step > 700 ? 1 : 0),
    fooled: Uint8Array.of(step > 700 ? 1 : 0),
    passes: Float64Array.of(2 * step + 1),
    milliseconds: 1,
    gradients: 1,
  };
}

test('a long run keeps every number, few images, and always the newest', () => {
  const recording = new Recording({ norm: 'linf' }, new Float32Array(784));
  for (let step = 0; step <= 1999; step++) {
    recording.add(report(step));
    assert.ok(recording.frames.length <= MOST_FRAMES + 1);
    assert.equal(recording.newest.step, step);
    assert.equal(recording.frames[0].step, 0);
  }
  assert.equal(recording.losses.length, 2000);
  assert.equal(recording.distances[5], 3);
  assert.equal(recording.firstFooled, 701);
});

test('a moment of a replay shows the last frame reached by then', () => {
  const recording = new Recording({ norm: 'l2' }, new Float32Array(784));
  for (let step = 0; step <= 40; step++) recording.add(report(step));
  assert.equal(recording.at(0).step, 0);
  assert.equal(recording.at(20).step, 9);
  assert.equal(recording.at(21).step, 10);
  assert.equal(recording.at(1e9).step, 40);
  assert.equal(recording.distances[5], 2);
});

test('distances are those of the attack’s norm', () => {
  const recording = new Recording({ norm: 'l1' }, new Float32Array(784).fill(0.5));
  recording.add({ ...report(0), images: new Float32Array(784).fill(0.25) });
  assert.equal(recording.distances[0], 196);
});
