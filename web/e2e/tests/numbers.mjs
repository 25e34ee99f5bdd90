/** The browser's numbers beside the native program's. */

import assert from 'node:assert/strict';

import { asThePaper } from '../../www/js/presets.js';
import { exported, testDigits } from '../examples.mjs';
import { argmax } from '../native.mjs';
import { test } from '../suite.mjs';

const NETWORK = 'madry_linf';
const SEED = 3;
const DIGITS = 50;

/** Attacks after which some digits stand and some do not, or equal verdicts would say little. */
export const ATTACKS = {
  pgd: { ...asThePaper('pgd', 'linf'), epsilon: 0.4, stepSize: 0.02, steps: 20 },
  so: { ...asThePaper('so', 'l2'), epsilon: 2, stepSize: 0.25, steps: 10, samples: 10 },
  paper: { ...asThePaper('so', 'l2'), epsilon: 2 },
};

test('each network classifies the 200 digits as the native program does, logits within 1e-4', async (world) => {
  const page = await world.enginePage();
  const examples = await testDigits(world, 200);
  // A run that was stopped at its start has looked at the natural digit and at nothing else.
  const stopped = { steps: 0, passes: 0, prediction: 0, fooled: false, l2: 0, linf: 0, losses: [] };
  const settings = { attack: { ...ATTACKS.pgd, start: 'natural' }, seed: 0 };
  let furthest = 0;
  for (const card of await world.cards()) {
    const logits = await page.classify(card.id, examples);
    const { outcomes } = await world.native.replay(examples.map((example) => exported(card, settings, example, stopped)));
    let right = 0;
    outcomes.forEach(({ here }, place) => {
      const own = logits[place];
      here.logits[0].forEach((logit, digit) => (furthest = Math.max(furthest, Math.abs(logit - own[digit]))));
      assert.equal(argmax(own), here.prediction, `${card.id} on digit ${examples[place].id}`);
      right += here.prediction === examples[place].label ? 1 : 0;
    });
    // Robust training in l2 costs natural digits; whoever reads none of them says the same as whoever else does.
    assert.ok(right >= 170, `${card.id} is right about ${right} of 200`);
  }
  assert.ok(furthest <= 1e-4, `logits differ by ${furthest}`);
  world.note(`largest difference ${furthest.toExponential(1)}`);
});

/**
 * The same attack on 50 digits in the browser and natively; made once, since the batch is held against it too.
 *
 * @param {import('../world.mjs').World} world
 * @param {keyof typeof ATTACKS} kind
 */
export function compared(world, kind) {
  return world.once(`compared ${kind}`, async () => {
    const page = await world.enginePage();
    const settings = { attack: ATTACKS[kind], seed: SEED };
    const examples = await testDigits(world, DIGITS);
    const card = (await world.cards()).find(({ id }) => id === NETWORK);
    const request = { network: NETWORK, ...settings, examples };
    const own = await page.attack(request);
    const looked = await page.firstPoints(request);
    const { outcomes } = await world.native.replay(examples.map((example, place) => exported(card, settings, example, own[place].measured)));
    return { settings, examples, own, looked, outcomes };
  });
}

for (const { kind, name, long } of /** @type {const} */ ([
  { kind: 'pgd', name: 'PGD from a random start', long: false },
  { kind: 'so', name: 'S-O', long: false },
  { kind: 'paper', name: 'S-O of 40 steps with 20 samples', long: true },
])) {
  test(`${name}: noise equal to the bit, losses within 1 % in steps 0 to 5, verdicts of 48 of 50 equal`, async (world) => {
    const { examples, own, looked, outcomes } = await compared(world, kind);
    let [equal, fooled, furthest, natural] = [0, 0, 0, 0];
    outcomes.forEach(({ browser, here }, place) => {
      const digit = `digit ${examples[place].id}`;
      assert.equal(looked[place], here.first_points_sha256, `${digit}: the points looked at first`);
      for (let step = 0; step <= 5; step += 1) {
        const apart = Math.abs(browser.losses[step] - here.losses[step]) / here.losses[step];
        assert.ok(apart <= 0.01, `${digit}, step ${step}: loss ${browser.losses[step]}, natively ${here.losses[step]}`);
        furthest = Math.max(furthest, apart);
      }
      // The start is the same image to the bit, so its class scores are comparable.
      here.logits[0].forEach((logit, at) => (natural = Math.max(natural, Math.abs(logit - own[place].logits[0][at]))));
      assert.equal(browser.passes, here.passes, digit);
      assert.equal(browser.losses.length, here.losses.length, digit);
      equal += browser.fooled === here.fooled ? 1 : 0;
      fooled += here.fooled ? 1 : 0;
    });
    assert.equal(new Set(looked).size, examples.length, 'each digit has noise of its own');
    assert.ok(natural <= 1e-4, `logits of the start differ by ${natural}`);
    assert.ok(equal >= 48, `${equal} of ${examples.length} verdicts are equal`);
    assert.ok(fooled >= 5 && fooled <= examples.length - 5, `${fooled} of ${examples.length} fooled: such an attack tells little`);
    world.note(`${equal} of ${examples.length} verdicts equal, ${fooled} fooled, losses within ${(100 * furthest).toPrecision(2)} %`);
  }, { long });
}
