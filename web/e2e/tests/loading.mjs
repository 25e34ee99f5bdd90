/** The page comes up: files, policy, views. */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';

import { test } from '../suite.mjs';
import { BUILD } from '../visit.mjs';

test('the page loads, and both networks say what they see', async (world) => {
  const visit = await world.visit();
  await visit.open();
  await visit.ready();
  assert.match(await visit.page.locator('#kernels').innerText(), new RegExp(`^${BUILD}, \\d+ workers?$`, 'u'));
  assert.equal(await visit.page.locator('.digit-grid [role="option"]').count(), 200);
  assert.equal(await visit.page.locator('.digit-grid [aria-selected="true"]').count(), 1);
  assert.deepEqual(await visit.notices(), []);
  const cards = await world.cards();
  const options = await visit.page.locator('.slot-a select').first().locator('option').allInnerTexts();
  assert.deepEqual(options, cards.map(({ title }) => title));
});

test('every view shows what it is for, with relative paths and without special headers', async (world) => {
  const visit = await world.visit();
  world.host.asked = [];
  await visit.open();
  await visit.ready();
  const { page } = visit;
  await page.getByRole('link', { name: 'Landscape' }).click();
  await page.locator('#view-landscape .facts', { hasText: 'Slope at the digit' }).waitFor();
  const maps = await page.locator('.map-colours').evaluateAll((canvases) =>
    canvases.map((canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size),
  );
  assert.ok(maps.length === 2 && maps.every((colours) => colours > 8), `maps of ${maps} colours`);
  await page.getByRole('link', { name: 'Impossible pair' }).click();
  const fact = page.locator('#view-pair .facts');
  assert.match(await fact.innerText(), /inside both balls/u);
  await page.locator('#pair-position').fill('0');
  await page.locator('#view-pair .facts', { hasText: /is 0\.00 from the \d and \d\.\d\d from the \d/u }).waitFor();
  await page.getByRole('link', { name: 'Lesson' }).click();
  const step = page.locator('.lesson-step:visible');
  assert.match(await step.locator('h3').innerText(), /^1\. /u);
  assert.ok(await step.locator('button.primary').isDisabled(), 'a lesson asks before it answers');
  await page.getByRole('link', { name: /^5 / }).click();
  await step.locator('input[type="radio"]').nth(2).check();
  await step.locator('button.primary').click();
  await step.locator('.explanation').waitFor();
  assert.match(await step.locator('.facts').innerText(), /the midpoint is \d\.\d\d from each/u);
  await page.getByRole('link', { name: 'Batch' }).click();
  await page.locator('#view-batch table').waitFor();
  const elsewhere = world.host.asked.filter((path) => !path.startsWith('/some/where/'));
  assert.deepEqual(elsewhere, []);
});

test('the policy of the page forbids scripts, handlers and requests from elsewhere', async (world) => {
  let reached = 0;
  const foreign = createServer((_, response) => {
    reached += 1;
    response.writeHead(200, { 'access-control-allow-origin': '*' }).end('here');
  });
  await new Promise((resolve) => foreign.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (foreign.address()).port}/`;
  const visit = await world.visit();
  visit.expect(new RegExp(`Content Security Policy|request to ${address}`, 'u'));
  await visit.open();
  const refused = await visit.page.evaluate(async (elsewhere) => {
    const violations = new Set();
    document.addEventListener('securitypolicyviolation', (event) => violations.add(event.effectiveDirective));
    const answer = await fetch(elsewhere).then(
      () => 'answered',
      () => 'refused',
    );
    const script = document.createElement('script');
    script.textContent = 'globalThis.hacked = true;';
    document.head.append(script);
    new Image().src = `${elsewhere}picture.png`;
    const button = document.createElement('button');
    button.setAttribute('onclick', 'globalThis.hacked = true;');
    button.click();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { answer, hacked: 'hacked' in globalThis, violations: [...violations].sort() };
  }, address);
  foreign.close();
  assert.deepEqual(refused, { answer: 'refused', hacked: false, violations: ['connect-src', 'img-src', 'script-src-attr', 'script-src-elem'] });
  assert.equal(reached, 0);
});
