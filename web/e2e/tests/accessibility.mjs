/** axe-core finds no violation of WCAG 2.2, levels A and AA, on any view, light and dark. */

import assert from 'node:assert/strict';

import { test } from '../suite.mjs';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/**
 * @param {import('../visit.mjs').Visit} visit
 * @param {string} where
 */
async function check(visit, where) {
  const violations = await visit.page.evaluate(async (rules) => {
    const { violations: found, passes } = await globalThis.axe.run(document, { runOnly: rules });
    if (passes.length === 0) throw new Error('nothing was checked');
    return found.map(({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0].target.join(' ')}: ${nodes[0].failureSummary}`);
  }, RULES);
  assert.deepEqual(violations, [], where);
}

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`axe-core finds nothing at level AA on any view, ${colorScheme}`, async (world) => {
    const visit = await world.visit({ colorScheme });
    const { page } = visit;
    await visit.open('#a.network=natural&a.steps=3&b.steps=3&b.samples=2&count=10');
    await page.evaluate(world.axe);
    await visit.ready();
    await check(visit, 'attack, before');
    await visit.runBoth();
    await page.getByText('Draw your own').click();
    for (const details of await page.locator('details.more').all()) await details.locator('summary').click();
    await page.locator('.slot-a').getByLabel('Steps', { exact: true }).fill('nonsense');
    await check(visit, 'attack, after a run, everything open');
    await page.locator('.slot-a').getByRole('button', { name: 'Card' }).click();
    await check(visit, 'card');
    await page.locator('dialog[open]').getByRole('button', { name: 'Close' }).click();
    await page.evaluate(() => (location.hash = '#nonsense'));
    await visit.notice(/cannot be read/u);
    await page.locator('nav.views').getByRole('link', { name: 'Landscape' }).click();
    await page.locator('#view-landscape .facts', { hasText: 'Slope' }).waitFor();
    await check(visit, 'landscape, with a message');
    await page.getByRole('link', { name: 'Impossible pair' }).click();
    await page.locator('.opinion .value', { hasText: '%' }).first().waitFor();
    await check(visit, 'pair');
    for (let step = 1; step <= 5; step += 1) {
      await page.evaluate((hash) => (location.hash = hash), `#lesson=${step}`);
      await page.locator('.lesson-step:visible h3', { hasText: `${step}.` }).waitFor();
      if (step === 5) {
        await page.locator('.lesson-step:visible input[type="radio"]').first().check();
        await page.locator('.lesson-step:visible button.primary').click();
        await page.locator('.lesson-step:visible .explanation').waitFor();
      }
      await check(visit, `lesson ${step}`);
    }
    await page.evaluate(() => (location.hash = '#view=batch&count=10&a.steps=2&b.steps=2'));
    await page.locator('#view-batch button.primary').click();
    await page.locator('#view-batch button.primary', { hasText: 'Attack again' }).waitFor();
    await check(visit, 'batch');
  });
}
