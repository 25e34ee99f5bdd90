/** Links that carry the whole state, and links that somebody made up. */

import assert from 'node:assert/strict';

import { decode, defaults, encode } from '../../www/js/state.js';
import { testDigits } from '../examples.mjs';
import { test } from '../suite.mjs';

/**
 * Something other than the default for every field of the state.
 *
 * @param {number} digit
 */
function unusual(digit) {
  const state = defaults();
  state.digit = digit;
  state.view = 'pair';
  state.drawn = Uint8Array.from({ length: 784 }, (_, index) => (index * 37) % 256);
  state.label = 7;
  const attack = { kind: 'so_odd', norm: 'linf', epsilon: 0.125, stepSize: 0.011, steps: 17, sigma: 0.07, samples: 3, start: 'gaussian', rule: 'sign', momentum: 0.5, loss: 'cw_margin', startSigma: 0.15 };
  state.slots[0] = { network: 'natural', attack: /** @type {any} */ (attack), seed: 4294967295 };
  state.slots[1] = { network: 'trades_linf', attack: /** @type {any} */ ({ ...attack, kind: 'so_even', norm: 'l1', epsilon: 12.5, start: 'uniform', rule: 'raw' }), seed: 9 };
  state.landscape = { slot: 1, sigma: 0.31, extent: 3.5, samples: 5, seed: 4 };
  state.pair = { index: 5, position: 0.25 };
  state.batch = { count: 20 };
  return state;
}

test('a link carries the whole state there and back', async (world) => {
  const [, , example] = await testDigits(world, 3);
  const fragment = `#${encode(unusual(example.id ?? 0))}`;
  const fields = (/** @type {string} */ text) => text.slice(1).split('&').sort();
  // Every field is unusual, so a field that is lost shows.
  const usual = new Set(fields(`#${encode(defaults())}`));
  const same = fields(fragment).filter((field) => usual.has(field));
  assert.deepEqual(same, []);
  const visit = await world.visit({ permissions: ['clipboard-read', 'clipboard-write'] });
  await visit.open(fragment);
  await visit.page.locator('.opinion .value', { hasText: '%' }).first().waitFor();
  await visit.page.getByRole('button', { name: 'Copy link' }).click();
  await visit.notice(/The link to all of this is copied/u);
  const copied = await visit.page.evaluate(() => navigator.clipboard.readText());
  assert.ok(copied.startsWith(`${world.host.address}#`));
  assert.deepEqual(fields(new URL(copied).hash), fields(fragment));

  const other = await world.visit();
  await other.open(new URL(copied).hash);
  assert.deepEqual(fields(await other.fragment()), fields(fragment));
  await other.page.getByRole('link', { name: 'Attack' }).click();
  await other.ready();
  const shown = await other.page.locator('.slot.slot-a').evaluate((slot) => {
    const values = Array.from(slot.querySelectorAll('.controls .field'), (field) => [field.querySelector('label')?.textContent, field.querySelector('input, select')?.value]);
    return Object.fromEntries(values.filter(([label]) => label));
  });
  const expected = { Network: 'natural', Attack: 'so_odd', Norm: 'linf', 'Radius ε': '0.125', 'Step size': '0.011', Steps: '17', 'Sigma σ': '0.07', Samples: '3', Seed: '4294967295', 'Step along': 'sign', Start: 'gaussian', Loss: 'cw_margin', Momentum: '0.5', 'Start’s σ': '0.15' };
  assert.deepEqual(shown, expected);
  assert.equal(await other.page.getByLabel('It is meant to be a').inputValue(), '7');
});

test('what is changed by hand is in the link, and the back button goes back', async (world) => {
  const visit = await world.visit();
  await visit.open();
  await visit.ready();
  const steps = visit.page.locator('.slot-b').getByLabel('Steps', { exact: true });
  await steps.fill('33');
  await visit.page.locator('.slot-a').getByLabel('Norm', { exact: true }).selectOption('linf');
  const { state, problems } = decode(await visit.fragment(), defaults());
  assert.deepEqual(problems, []);
  assert.deepEqual([state.slots[1].attack.steps, state.slots[0].attack.norm], [33, 'linf']);
  // A number that makes no sense is marked and goes nowhere.
  await steps.fill('0.5');
  assert.equal(await steps.getAttribute('aria-invalid'), 'true');
  assert.equal(decode(await visit.fragment(), defaults()).state.slots[1].attack.steps, 33);
  await visit.page.getByRole('link', { name: 'Batch' }).click();
  await visit.fragment();
  await visit.page.goBack();
  await visit.page.locator('#view-attack').waitFor();
  assert.equal(decode(await visit.fragment(), defaults()).state.slots[1].attack.steps, 33);
});

test('a link followed while the address is being written is followed all the same', async (world) => {
  const visit = await world.visit();
  await visit.open();
  await visit.ready();
  await visit.page.evaluate(() => {
    const before = location.hash;
    location.hash = '#lesson=2';
    // What the page itself does a moment after any change, here before it hears of the link.
    history.replaceState(null, '', before || '#view=attack');
  });
  await visit.page.locator('.lesson-step:visible h3', { hasText: '2.' }).waitFor();
  assert.equal(decode(await visit.fragment(), defaults()).state.view, 'lesson');
});

const SCRIPT = '<img src=x onerror="globalThis.hacked=true">';
const HOSTILE = [
  `#${'x'.repeat(9000)}`,
  `#${'a'.repeat(100_000)}`,
  '#a.steps=1e9',
  '#a.steps=-1',
  '#a.steps=1.5',
  '#a.steps=NaN',
  '#a.epsilon=Infinity',
  '#a.epsilon=0',
  '#a.samples=99999999999999999999',
  '#a.seed=4294967296',
  '#digit=-1',
  '#digit=10000',
  '#digit=7&digit=7',
  '#view=nowhere',
  '#lesson=6',
  '#count=0',
  '#a.kind=__proto__',
  '#__proto__=1',
  '#constructor=x&toString=y',
  '#a.network=../../etc/passwd',
  `#a.network=${encodeURIComponent(SCRIPT)}`,
  `#${encodeURIComponent(SCRIPT)}`,
  '#javascript:globalThis.hacked=true',
  '#drawn=AAAA',
  `#drawn=${'!'.repeat(1046)}`,
  `#drawn=${'A'.repeat(1047)}`,
  '#%',
  '#a.network=%E0%A4%A',
  '#&&&===&',
  '#view',
  '#\u0000\u202e=1',
];
/** Well formed, but the page has nothing of that name. */
const ABSENT = ['#a.network=nobody', '#digit=9999&a.network=natural'];

test('hostile and broken links never break the page', async (world) => {
  const visit = await world.visit();
  const { page } = visit;
  const sane = async (/** @type {string} */ fragment) => {
    await page.locator('.notice').first().waitFor();
    const [notice] = await visit.notices();
    assert.match(notice, /^The link (cannot be read \(.+\)\. The page starts with its defaults\.|names .+ stands in for it\.)$/u, fragment.slice(0, 60));
    assert.ok(notice.length < 400, `a message of ${notice.length} characters`);
    assert.equal(await page.evaluate(() => 'hacked' in globalThis || document.querySelector('.notice img, .notice script') !== null), false);
    assert.equal(await page.locator('section.view:visible').count(), 1);
    const dismiss = page.getByRole('button', { name: 'Dismiss' });
    while ((await dismiss.count()) > 0) await dismiss.first().click();
  };
  // As the address of a visit, and while the page is open.
  for (const fragment of [HOSTILE[0], HOSTILE[20], ABSENT[0]]) {
    await page.goto('about:blank');
    await visit.open(fragment);
    await sane(fragment);
  }
  for (const fragment of [...HOSTILE, ...ABSENT]) {
    await page.evaluate((hash) => (location.hash = hash), fragment);
    await sane(fragment);
  }
  await page.evaluate(() => (location.hash = '#view=attack&a.steps=2&b.steps=2'));
  await visit.ready();
  await visit.runBoth();
  assert.match(await page.locator('.slot-a .picture figcaption').first().innerText(), /^Step 2 of 2$/u);
});
