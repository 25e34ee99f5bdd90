import assert from 'node:assert/strict';
import test from 'node:test';
import { asThePaper } from '../www/js/presets.js';
import { decode, defaults, encode } from '../www/js/state.js';

/** A state in which everything differs from the defaults. */
function unusual() {
  const state = defaults();
  state.view = 'pair';
  state.digit = 4711;
  state.drawn = Uint8Array.from({ length: 784 }, (_, index) => (index * 37) % 256);
  state.label = 7;
  state.slots[0] = { network: 'natural', attack: asThePaper('so_odd', 'linf'), seed: 4294967295 };
  state.slots[1] = { network: 'madry_linf', attack: asThePaper('pgd', 'l2'), seed: 0 };
  state.slots[1].attack.stepSize = 1e-7;
  state.landscape = { slot: 1, sigma: 0.35, extent: 4.5, samples: 9, seed: 3 };
  state.pair = { index: 5, position: 0.25 };
  state.batch.count = 120;
  return state;
}

test('a link gives back the whole state', () => {
  const state = unusual();
  assert.deepEqual(decode(`#${encode(state)}`, defaults()), { state, problems: [] });
  const lesson = { ...defaults(), view: 'lesson', lesson: 4 };
  assert.match(encode(lesson), /^lesson=4&/);
  assert.deepEqual(decode(encode(lesson), defaults()).state, lesson);
});

test('fixed links name one thing and leave the rest', () => {
  const base = unusual();
  const { state } = decode('#lesson=3', base);
  assert.equal(state.view, 'lesson');
  assert.equal(state.lesson, 3);
  assert.deepEqual(state.slots, base.slots);
  assert.equal(decode('#digit=5', base).state.drawn, null);
});

test('hostile fragments are refused as a whole and say why', () => {
  for (const [fragment, reason] of [
    ['a.steps=1e9', /not from 1 to 2000/],
    ['a.steps=2.5', /whole/],
    ['a.epsilon=NaN', /not a number/],
    ['a.epsilon=Infinity', /not a number/],
    ['a.epsilon=0x10', /not a number/],
    ['a.epsilon=-1', /not from/],
    ['a.epsilon=0', /not from 0.001/],
    ['a.kind=__proto__', /none of/],
    ['__proto__=1', /unknown/],
    ['constructor.prototype=1', /unknown/],
    ['a.network=../../etc/passwd', /no name/],
    ['a.network=%3Cimg%20src%3Dx%3E', /no name/],
    ['view=attack&view=pair', /twice/],
    ['view=%E0%A4%A', /not text/],
    ['lesson=6', /not from 1 to 5/],
    ['drawn=AAAA', /no drawing/],
    [`x=${'y'.repeat(9000)}`, /longer/],
    ['garbage', /unknown/],
    ['view=pair&a.seed=-3', /not from/],
  ]) {
    const base = defaults();
    const { state, problems } = decode(fragment, base);
    assert.equal(state, base, fragment);
    assert.match(problems.join('; '), reason, fragment);
  }
  assert.deepEqual(decode('', defaults()).problems, []);
});
