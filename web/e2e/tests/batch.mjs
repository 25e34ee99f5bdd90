/** Fifty digits at once. */

import assert from 'node:assert/strict';

import { wilsonInterval } from '../../www/js/statistics.js';
import { ATTACKS, compared } from './numbers.mjs';
import { argmax } from '../native.mjs';
import { test } from '../suite.mjs';

/**
 * A slot's part of a fragment.
 *
 * @param {string} slot
 * @param {Record<string, unknown>} attack
 * @param {number} seed
 */
const fragment = (slot, attack, seed) =>
  [`${slot}.network=madry_linf`, `${slot}.seed=${seed}`, ...Object.entries(attack).map(([name, value]) => `${slot}.${name}=${value}`)].join('&');

test('the batch attacks 50 digits, and as many stand as natively, within 1', async (world) => {
  const native = {};
  for (const kind of /** @type {const} */ (['pgd', 'so'])) {
    const { settings, examples, outcomes } = await compared(world, kind);
    // The batch asks whether any step fools.
    const stands = outcomes.filter(({ here }, place) => here.logits.every((logits) => argmax(logits) === examples[place].label));
    native[kind] = { standing: stands.length, seed: settings.seed };
  }
  const visit = await world.visit();
  const slots = [fragment('a', ATTACKS.pgd, native.pgd.seed), fragment('b', ATTACKS.so, native.so.seed)];
  await visit.open(`#view=batch&count=50&${slots.join('&')}`);
  await visit.page.locator('#view-batch button.primary').click();
  await visit.page.locator('#view-batch button.primary', { hasText: 'Attack again' }).waitFor();
  await visit.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const rows = await visit.page.locator('#view-batch tbody tr').evaluateAll((all) => all.map((row) => Array.from(row.cells, (cell) => cell.textContent)));
  assert.deepEqual(rows.map(([letter]) => letter), ['A', 'B']);
  for (const [index, kind] of ['pgd', 'so'].entries()) {
    const [, , left, interval] = rows[index];
    const [, standing, total] = /^(\d+) of (\d+)$/u.exec(left)?.map(Number) ?? [];
    assert.equal(total, 50);
    assert.ok(Math.abs(standing - native[kind].standing) <= 1, `${kind}: ${standing} stand, natively ${native[kind].standing}`);
    const { low, high } = wilsonInterval(standing, total);
    const figures = interval.match(/[\d.]+/gu).map(Number);
    assert.ok(Math.abs(figures[0] - 100 * low) < 0.51 && Math.abs(figures[1] - 100 * high) < 0.51, `${interval} of ${low}, ${high}`);
    const outlined = await visit.page.locator('#view-batch .wall').nth(index).locator('canvas[data-state="fooled"]').count();
    assert.equal(outlined, 50 - standing, 'what fell is outlined');
    world.note(`${kind}: ${standing} stand, natively ${native[kind].standing}`);
  }
});
