/** Runs by hand: cancel, pause, step, replay, exports. */

import assert from 'node:assert/strict';

import { test } from '../suite.mjs';

/** Small settings of both slots, PGD beside S-O. */
const QUICK =
  '#a.kind=pgd&a.norm=linf&a.epsilon=0.3&a.stepSize=0.02&a.steps=12&a.start=uniform&a.seed=5' +
  '&b.kind=so&b.norm=linf&b.epsilon=0.3&b.stepSize=0.05&b.steps=6&b.samples=3&b.sigma=0.1&b.start=natural&b.seed=5';
const LONG = '#a.steps=2000&b.steps=2000&b.samples=20';

/** Writes down, in the page, what goes to the coordinator and comes back. */
function listen() {
  globalThis.calls = [];
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (!this.heard) {
      this.heard = true;
      this.addEventListener('message', ({ data }) => globalThis.calls.push({ answered: data.call, report: data.value?.step }));
    }
    globalThis.calls.push({ call: message.call, name: message.name });
    return postMessage.call(this, message, ...rest);
  };
}

test('after cancel at most one further step is computed, and none is shown', async (world) => {
  const visit = await world.visit();
  await visit.page.addInitScript(listen);
  await visit.open(LONG);
  await visit.ready();
  await visit.run.click();
  await visit.page.waitForFunction(() => globalThis.calls.filter(({ report }) => report !== undefined).length > 6);
  const shown = await visit.page.evaluate(() => {
    const passes = () => Array.from(document.querySelectorAll('.readout div:nth-child(2) dd'), (each) => each.textContent);
    globalThis.calls.push({ mark: true });
    [...document.querySelectorAll('.transport button')].find((button) => button.textContent === 'Cancel').click();
    return new Promise((resolve) => {
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(passes())));
    });
  });
  // A call of another kind is answered after whatever the coordinator still had to do.
  await visit.page.getByRole('link', { name: 'Impossible pair' }).click();
  await visit.page.locator('.opinion .value', { hasText: '%' }).first().waitFor();
  const calls = await visit.page.evaluate(() => globalThis.calls);
  const after = calls.slice(calls.findIndex(({ mark }) => mark));
  assert.equal(after.filter(({ name }) => name === 'close').length, 2, 'both runs are closed');
  assert.deepEqual(after.filter(({ name }) => name === 'step'), [], 'no step is asked for');
  const begun = new Set(calls.filter(({ name }) => name === 'step').map(({ call }) => call));
  const answered = after.filter(({ answered }) => begun.has(answered));
  assert.ok(answered.length <= 1, `${answered.length} steps were answered after cancel`);
  await visit.page.getByRole('link', { name: 'Attack' }).click();
  assert.deepEqual([await visit.readout('a', 'Passes'), await visit.readout('b', 'Passes')], shown);
  assert.equal(await visit.run.innerText(), 'Run again');
});

test('pause holds a run, a step is one step, and it goes on to the end', async (world) => {
  const visit = await world.visit();
  const { page } = visit;
  await visit.open(QUICK);
  await visit.ready();
  const step = page.getByRole('button', { name: 'Step', exact: true });
  await step.click();
  const moment = page.getByLabel('Replay: moment in passes');
  const steps = () => moment.evaluate((slider) => Number(slider.max));
  // One slot steps, then the other: there is a new moment each time.
  await page.waitForFunction(() => Number(document.querySelector('.transport input').max) === 1);
  await step.click();
  await page.waitForFunction(() => Number(document.querySelector('.transport input').max) === 2);
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
  assert.equal(await steps(), 2, 'a paused run stands still');
  await visit.run.click();
  await visit.over();
  // Both have spent what the native driver counts: PGD 1 for the digit, 2 for each of 12 steps and 1 for the last verdict;
  // S-O 1 for the digit, and for each of 6 steps 3 gradients and a verdict.
  assert.deepEqual([await visit.readout('a', 'Passes'), await visit.readout('b', 'Passes')], ['26', '43']);
  assert.match(await page.locator('.slot-a .picture figcaption').first().innerText(), /^Step 12 of 12$/u);
  // The slider goes back to the start and shows it again.
  await moment.focus();
  await page.keyboard.press('Home');
  await page.locator('.slot-b .picture figcaption', { hasText: 'Step 0 of 6' }).waitFor();
  await page.keyboard.press('End');
  await page.locator('.slot-b .picture figcaption', { hasText: 'Step 6 of 6' }).waitFor();
});

test('what the page exports, the native program runs again, with the same verdict', async (world) => {
  const visit = await world.visit();
  await visit.open(QUICK);
  await visit.ready();
  await visit.runBoth();
  const exports = [];
  for (const letter of ['A', 'B']) {
    const { name, bytes } = await visit.download(`JSON of ${letter}`);
    assert.equal(name, `saddle-${letter.toLowerCase()}.json`);
    exports.push(JSON.parse(bytes.toString('utf8')));
  }
  assert.deepEqual(exports.map(({ attack, measured }) => [attack.kind, measured.steps]), [['pgd', 12], ['so', 6]]);
  const { outcomes, printed } = await world.native.replay(exports);
  outcomes.forEach(({ browser, here }, place) => {
    const { kind } = exports[place].attack;
    assert.deepEqual([here.fooled, here.prediction, here.passes], [browser.fooled, browser.prediction, browser.passes], kind);
    assert.ok(Math.abs(here.l2 - browser.l2) < 0.05 && Math.abs(here.linf - browser.linf) < 1e-3, `${kind}: distances`);
  });
  assert.match(printed, /madry_linf on digit \d+, a \d, seed 5/u);
  // The verdict on the screen is the exported one.
  const fooled = exports.map(({ measured }) => measured.fooled);
  assert.deepEqual([await visit.verdict('a'), await visit.verdict('b')].map((text) => text.startsWith('Fooled')), fooled);
  const { bytes } = await visit.download('Picture (PNG)');
  assert.equal(bytes.toString('latin1', 1, 4), 'PNG');
  assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [1016, 672]);
});
