/** Digits that a visitor draws. */

import assert from 'node:assert/strict';

import { asThePaper } from '../../www/js/presets.js';
import { draw, drawings } from '../drawings.mjs';
import { exported } from '../examples.mjs';
import { test } from '../suite.mjs';

const PGD = asThePaper('pgd', 'linf');

/** PGD l-infinity 0.3 in both slots, on two networks. */
const FRAGMENT = ['a.network=natural', 'b.network=madry_linf', ...['a', 'b'].flatMap((slot) => Object.entries(PGD).map(([name, value]) => `${slot}.${name}=${value}`))];

/** @param {import('../world.mjs').World} world */
async function atThePad(world) {
  const visit = await world.visit({ viewport: { width: 1280, height: 1000 } });
  await visit.open(`#${FRAGMENT.join('&')}`);
  await visit.ready();
  await visit.page.getByText('Draw your own').click();
  await visit.page.locator('canvas.pad').scrollIntoViewIfNeeded();
  return visit;
}

test('a digit drawn by hand: PGD within l-infinity 0.3 fools the natural network', async (world) => {
  const visit = await atThePad(world);
  const { page } = visit;
  const drawing = drawings()[3];
  const bytes = await draw(page, drawing);
  await page.locator('#announcements', { hasText: 'reads your drawing as a 3' }).waitFor({ state: 'attached' });
  const meant = page.getByLabel('It is meant to be a');
  assert.equal(await meant.inputValue(), '3', 'the natural network reads it before the attack');
  // The link carries the drawing, to the byte.
  const link = new URLSearchParams((await visit.fragment()).slice(1)).get('drawn') ?? '';
  assert.equal(Buffer.from(link, 'base64url').toString('base64'), bytes);
  await visit.runBoth();
  assert.match(await visit.verdict('a'), /^Fooled: says \d, not 3/u);
  const [fooled] = [JSON.parse((await visit.download('JSON of A')).bytes.toString('utf8'))];
  assert.deepEqual([fooled.example.id, fooled.example.label, fooled.measured.fooled], [null, 3, true]);
  assert.ok(fooled.measured.linf <= 0.3 * (1 + 1e-6));
  // Clearing the pad and choosing a test digit leaves the drawing behind.
  await page.locator('.digit-grid [role="option"]').nth(4).click();
  assert.doesNotMatch(await visit.fragment(), /drawn=/u);
});

test('50 drawn digits on the Madry l-infinity network: as many withstand as natively, within 2', async (world) => {
  const visit = await atThePad(world);
  const examples = [];
  for (const drawing of drawings()) {
    await visit.page.getByRole('button', { name: 'Clear' }).click();
    examples.push({ id: null, label: drawing.label, pixels: await draw(visit.page, drawing) });
  }
  assert.equal(new Set(examples.map(({ pixels }) => pixels)).size, 50);
  const engine = await world.enginePage();
  const settings = { attack: PGD, seed: 1 };
  const card = (await world.cards()).find(({ id }) => id === 'madry_linf');
  const own = await engine.attack({ network: card.id, ...settings, examples });
  const { outcomes } = await world.native.replay(examples.map((example, place) => exported(card, settings, example, own[place].measured)));
  const natural = await engine.classify(card.id, examples);
  const right = natural.map((logits, place) => logits.indexOf(Math.max(...logits)) === examples[place].label);
  const withstand = (/** @type {(outcome: any) => {fooled: boolean}} */ which) =>
    outcomes.filter((outcome, place) => right[place] && !which(outcome).fooled).length;
  const [here, natively] = [withstand(({ browser }) => browser), withstand(({ here }) => here)];
  const read = right.filter(Boolean).length;
  world.note(`${read} of 50 are read rightly, ${here} withstand, natively ${natively}`);
  assert.ok(read >= 40, `only ${read} of the drawings are read rightly`);
  assert.ok(Math.abs(here - natively) <= 2, `${here} withstand, natively ${natively}`);
});

test('a digit can be drawn, erased and drawn again with the keyboard', async (world) => {
  const visit = await atThePad(world);
  const { page } = visit;
  const pad = page.locator('canvas.pad');
  await pad.focus();
  const ink = () => pad.evaluate((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((value, index) => index % 4 === 0 && value > 0).length);
  assert.equal(await ink(), 0);
  await page.keyboard.press(' ');
  for (let step = 0; step < 20; step += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press(' ');
  await page.locator('#announcements', { hasText: 'reads your drawing as a' }).waitFor({ state: 'attached' });
  const drawn = await ink();
  assert.ok(drawn > 20 * 8 * 20, `${drawn} pixels of ink`);
  await page.keyboard.press('e');
  await page.keyboard.press(' ');
  for (let step = 0; step < 10; step += 1) await page.keyboard.press('ArrowUp');
  await page.keyboard.press(' ');
  assert.ok((await ink()) < drawn / 2 + 1500, 'the eraser takes ink away');
  await page.keyboard.press('Delete');
  assert.equal(await ink(), 0);
});
