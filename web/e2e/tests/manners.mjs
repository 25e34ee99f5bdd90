/** The keyboard alone, still pictures, small screens. */

import assert from 'node:assert/strict';

import { test } from '../suite.mjs';

const QUICK = '#a.steps=3&b.steps=3&b.samples=2&count=10';
const VIEWS = ['view=attack', 'view=landscape', 'view=pair', 'lesson=1', 'lesson=4', 'view=batch'];

/**
 * Presses Tab until something has the focus, as a person would who reads what is announced.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} selector
 * @param {number} [most]
 */
async function tabTo(page, selector, most = 80) {
  for (let press = 0; press < most; press += 1) {
    await page.keyboard.press('Tab');
    const there = await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector);
    if (there) return;
  }
  throw new Error(`no way to ${selector} with ${most} times Tab`);
}

test('everything can be done with the keyboard alone, and the focus is seen', async (world) => {
  const visit = await world.visit();
  const { page } = visit;
  await visit.open(QUICK);
  await visit.ready();
  // Past the navigation.
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'skip');
  assert.ok((await page.locator('#skip').boundingBox())?.y >= 0, 'the link is seen when it has the focus');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'content');
  assert.deepEqual(await visit.notices(), [], 'the link is no link to a state');
  // Another digit.
  const chosen = () => page.locator('.digit-grid [aria-selected="true"]').getAttribute('aria-label');
  const before = await chosen();
  await tabTo(page, '.digit-grid [role="option"]', 3);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  const after = await chosen();
  assert.notEqual(after, before);
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), after, 'the focus goes along');
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Home');
  await visit.ready();
  // Run, and look at the run again.
  await tabTo(page, '.transport button.primary');
  await page.keyboard.press('Enter');
  await visit.over();
  await page.locator('#announcements', { hasText: /./u }).waitFor({ state: 'attached' });
  await tabTo(page, '.transport input');
  await page.keyboard.press('Home');
  await page.locator('.slot-a .picture figcaption', { hasText: 'Step 0 of 3' }).waitFor();
  // A setting.
  await tabTo(page, '.slot-a select');
  await page.keyboard.press('N');
  await page.locator('.slot-a select').first().evaluate((select) => select.value === 'natural' || Promise.reject(new Error(select.value)));
  // The card opens as a dialog and closes with Escape; the focus comes back.
  await page.keyboard.down('Shift');
  await page.keyboard.press('Tab');
  await page.keyboard.up('Shift');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Card');
  await page.keyboard.press('Enter');
  await page.locator('dialog[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Card');
  // Another view.
  await page.evaluate(() => document.getElementById('skip')?.focus());
  await tabTo(page, 'nav.views a[data-view="batch"]', 6);
  await page.keyboard.press('Enter');
  await page.locator('#view-batch').waitFor();
  await tabTo(page, '#view-batch button.primary', 20);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'what has the focus is outlined');
  await page.keyboard.press('Enter');
  await page.locator('#view-batch button.primary', { hasText: 'Attack again' }).waitFor();
});

test('whoever wants reduced motion gets none', async (world) => {
  const moving = async (/** @type {'reduce' | 'no-preference'} */ reducedMotion) => {
    const visit = await world.visit({ reducedMotion });
    await visit.page.addInitScript(() => {
      globalThis.moved = 0;
      for (const begun of ['transitionrun', 'animationstart']) {
        document.addEventListener(begun, () => (globalThis.moved += 1), true);
      }
    });
    await visit.open(QUICK);
    await visit.ready();
    await visit.runBoth();
    for (const link of await visit.page.locator('nav.views a').all()) await link.click();
    return visit.page.evaluate(() => globalThis.moved);
  };
  assert.equal(await moving('reduce'), 0);
  // The same visit without that wish has some, or the line above would prove nothing.
  assert.ok((await moving('no-preference')) > 0);
});

test('at 360 px no view scrolls sideways, and what is touched is large enough', async (world) => {
  const visit = await world.visit({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  const { page } = visit;
  await visit.open(QUICK);
  await visit.ready();
  await visit.runBoth();
  await page.getByText('Draw your own').click();
  for (const details of await page.locator('details.more').all()) await details.locator('summary').click();
  for (const view of VIEWS) {
    await page.evaluate((hash) => (location.hash = hash), `#${view}`);
    await page.locator('section.view:visible').waitFor();
    await visit.fragment();
    const wide = await page.evaluate(() => {
      const { clientWidth, scrollWidth } = document.documentElement;
      const over = [...document.querySelectorAll('main *')].filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > clientWidth + 1);
      return { clientWidth, scrollWidth, over: over.slice(0, 5).map((each) => `${each.tagName}.${each.className}`) };
    });
    assert.ok(wide.scrollWidth <= wide.clientWidth && wide.clientWidth === 360, `${view}: ${JSON.stringify(wide)}`);
    const small = await page.locator('main button:visible, main select:visible, main input:visible').evaluateAll((all) =>
      all.map((each) => [each.getBoundingClientRect(), each]).filter(([box, each]) => each.type !== 'radio' && Math.min(box.width, box.height) < 24).map(([, each]) => each.outerHTML.slice(0, 80)),
    );
    assert.deepEqual(small, [], view);
  }
});
