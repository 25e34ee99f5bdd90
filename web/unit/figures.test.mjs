import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { STEPS } from '../www/js/lesson-text.js';

const read = (/** @type {string} */ path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const results = JSON.parse(read('../../results/cpu/report.json'));
const lesson = STEPS.flatMap(({ explanation }) => explanation).join('\n');

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(2)} %`;

test('the lesson tells what the committed results say of raw PGD', () => {
  const cell = results.cells.find(
    (/** @type {any} */ { table, network, row, seed }) => table === 'table1' && network === 'madry_linf' && row === 'pgd_l2' && seed === 1,
  );
  assert.ok(lesson.includes(`left ${Math.round((100 * cell.correct) / cell.total)} % of ${cell.total.toLocaleString('en')} test digits standing`));
});

test('the bounds in the texts are those of the committed results', () => {
  const bound = results.bounds.find((/** @type {any} */ { norm, epsilon, all_test_digits }) => norm === 'l2' && epsilon === 4 && all_test_digits);
  const by = Object.fromEntries(bound.by_method.map((/** @type {any} */ found) => [found.method, found]));
  const pairs = bound.digits - by.maximum_matching.robust_at_most;
  const texts = [lesson, read('../www/js/pair-view.js')];
  for (const text of texts) {
    assert.ok(text.includes(`more than ${percent(by.maximum_matching.upper_bound)} of`));
    assert.ok(text.includes(percent(by.clique_cover.upper_bound)));
  }
  assert.ok(lesson.includes(`${pairs.toLocaleString('en')} such pairs share no digit`));
});
