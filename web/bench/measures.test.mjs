import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interval, median } from './measures.mjs';

test('the median is the middle, and its interval follows the binomial law', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  const upTo = (count) => Array.from({ length: count }, (_, place) => count - place);
  // Of 5 values both ends miss with 2 / 32, of 6 with 2 / 64; of 15 the fourth from either end with 0.035, the fifth with 0.118.
  assert.deepEqual(interval(upTo(5)), [1, 5]);
  assert.deepEqual(interval(upTo(6)), [1, 6]);
  assert.deepEqual(interval(upTo(9)), [2, 8]);
  assert.deepEqual(interval(upTo(15)), [4, 12]);
});
