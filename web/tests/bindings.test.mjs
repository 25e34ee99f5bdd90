/**
 * The bindings in node.js: `cargo xtask web --test-bindings` builds them and names their folder.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';

const folder = process.env.SADDLE_BINDINGS;
assert.ok(folder, 'run `cargo xtask web --test-bindings`');
const { AttackRun, DigitNetwork, Landscape, kernels } = createRequire(import.meta.url)(
  path.join(folder, 'saddle_web.js'),
);
const weights = readFileSync(new URL('../../zoo/madry_linf.safetensors', import.meta.url));
const network = new DigitNetwork(weights);

const PIXELS = 784;

/** Bars of different places and greys: not digits, but images that differ. */
function images(count) {
  const pixels = new Float32Array(count * PIXELS);
  for (let image = 0; image < count; image += 1) {
    for (let row = 5; row < 23; row += 1) {
      for (let column = 8 + image; column < 12 + image; column += 1) {
        pixels[image * PIXELS + row * 28 + column] = 0.5 + ((row * 7 + column * 3 + image) % 6) / 10;
      }
    }
  }
  return pixels;
}

const labelsOf = (pixels) => {
  const logits = network.logits(pixels);
  return Uint8Array.from({ length: logits.length / 10 }, (_, image) => {
    const row = logits.subarray(image * 10, image * 10 + 10);
    return row.indexOf(Math.max(...row));
  });
};

const settings = (changes = {}) => ({
  kind: 'so',
  norm: 'linf',
  epsilon: 0.2,
  stepSize: 0.05,
  steps: 3,
  sigma: 0.1,
  samples: 3,
  start: 'natural',
  rule: 'steepest',
  ...changes,
});

/** Answers a question in so many parts. */
function answered(question, loss, parts) {
  const { gradients: wanted, points, labels } = question;
  const count = labels.length;
  const logits = [];
  const gradients = [];
  for (let part = 0; part < parts; part += 1) {
    const [start, end] = [part, part + 1].map((at) => Math.floor((at * count) / parts));
    if (start === end) continue;
    const share = points.subarray(start * PIXELS, end * PIXELS);
    if (wanted > 0) {
      const first = Math.min(Math.max(wanted - start, 0), end - start);
      const answers = network.gradient(share, labels.subarray(start, end), loss, first);
      logits.push(...answers.logits);
      gradients.push(...answers.gradient);
      answers.free();
    } else {
      logits.push(...network.logits(share));
    }
  }
  return [Float32Array.from(logits), wanted > 0 ? Float32Array.from(gradients) : undefined];
}

/** All reports of an attack whose questions are answered in so many parts. */
function reports(changes, { count = 2, parts = 1, stopFooled = false, seed = 7 } = {}) {
  const pixels = images(count);
  const ids = Float64Array.from({ length: count }, (_, image) => 100 + image);
  const run = new AttackRun(JSON.stringify(settings(changes)), pixels, labelsOf(pixels), ids, seed, stopFooled);
  const { loss } = run;
  const all = [];
  for (let question = run.ask(); question; question = run.ask()) {
    const [logits, gradient] = answered(question, loss, parts);
    question.free();
    const report = run.tell(logits, gradient);
    if (report) all.push(report);
  }
  run.free();
  return all;
}

test('the module uses the kernels that it was built for', () => {
  assert.equal(kernels(), process.env.SADDLE_KERNELS ?? kernels());
});

test('a network calls itself by its name and tells images apart', () => {
  assert.equal(network.name, 'madry');
  const logits = network.logits(images(3));
  assert.equal(logits.length, 30);
  assert.ok(logits.every(Number.isFinite));
  assert.notDeepEqual(logits.slice(0, 10), logits.slice(10, 20));
});

test('no bit depends on the company of an image', () => {
  const pixels = images(5);
  const labels = labelsOf(pixels);
  const together = network.gradient(pixels, labels, 'cross_entropy');
  for (let image = 0; image < 5; image += 1) {
    const own = pixels.slice(image * PIXELS, (image + 1) * PIXELS);
    const alone = network.gradient(own, labels.slice(image, image + 1), 'cross_entropy');
    assert.deepEqual(alone.logits, together.logits.slice(image * 10, image * 10 + 10));
    assert.deepEqual(alone.gradient, together.gradient.slice(image * PIXELS, (image + 1) * PIXELS));
    assert.equal(alone.losses[0], together.losses[image]);
    assert.deepEqual(network.logits(own), alone.logits);
  }
});

test('the gradient at the first points is the same as at all', () => {
  const pixels = images(4);
  const labels = labelsOf(pixels);
  const all = network.gradient(pixels, labels, 'cross_entropy');
  for (const count of [0, 1, 3]) {
    const first = network.gradient(pixels, labels, 'cross_entropy', count);
    assert.deepEqual(first.gradient, all.gradient.slice(0, count * PIXELS));
    assert.deepEqual(first.logits, all.logits);
    assert.deepEqual(first.losses, all.losses);
  }
  assert.throws(() => network.gradient(pixels, labels, 'cross_entropy', 5), /5 gradients/u);
});

test('the gradient is the slope of the loss', () => {
  const pixels = images(1);
  const labels = Uint8Array.of((labelsOf(pixels)[0] + 1) % 10);
  const { gradient } = network.gradient(pixels, labels, 'cross_entropy');
  const length = Math.hypot(...gradient);
  const at = (distance) => {
    const moved = pixels.map((pixel, place) => pixel + (distance * gradient[place]) / length);
    return network.losses(moved, labels, 'cross_entropy').losses[0];
  };
  const step = 1e-3;
  const slope = (at(step) - at(-step)) / (2 * step);
  assert.ok(Math.abs(slope / length - 1) < 0.02, `${slope} against ${length}`);
});

test('steps come in order, and passes are counted as the native driver counts them', () => {
  for (const [kind, each] of [['pgd', 2], ['so', 7], ['so_even', 13], ['so_odd', 13]]) {
    const all = reports({ kind });
    assert.deepEqual(all.map((report) => report.step), [0, 1, 2, 3]);
    // One pass for the natural image; then what looking costs, and a pass for each verdict that it does not give for free.
    const passes = kind === 'pgd' ? [1, 4, 6, 8] : [0, 1, 2, 3].map((step) => 1 + each * step);
    assert.deepEqual(all.map((report) => report.passes[1]), passes, kind);
    assert.ok(all.slice(0, 3).every((report) => report.gradientNorms[0] > 0));
    assert.ok(Number.isNaN(all[3].gradientNorms[0]));
  }
  assert.equal(reports({ kind: 'fgsm', steps: 9 }).length, 2);
});

test('images stay within the ball and the box, and the loss rises', () => {
  for (const norm of ['linf', 'l2', 'l1']) {
    const epsilon = { linf: 0.2, l2: 2, l1: 10 }[norm];
    const all = reports({ kind: 'pgd', norm, epsilon, stepSize: epsilon / 4 });
    const last = all.at(-1);
    assert.ok(last.images.every((pixel) => pixel >= 0 && pixel <= 1));
    if (norm !== 'l1') assert.ok(last[norm].every((distance) => distance <= epsilon * (1 + 1e-6)));
    assert.ok(last.losses[0] > all[0].losses[0], norm);
    assert.deepEqual(all[0].images, images(2));
  }
});

test('no bit of an attack depends on how its questions are split', () => {
  for (const kind of ['pgd', 'so', 'so_odd']) {
    const [one, three] = [1, 3].map((parts) => reports({ kind, start: 'uniform' }, { parts }));
    for (const [step, report] of one.entries()) {
      for (const field of ['images', 'logits', 'losses', 'gradientNorms', 'passes', 'fooled']) {
        assert.deepEqual(report[field], three[step][field], `${kind}, step ${step}: ${field}`);
      }
    }
  }
});

test('the seed decides, and the ids with it', () => {
  const last = (options) => reports({ kind: 'so' }, options).at(-1).images;
  assert.deepEqual(last({ seed: 7 }), last({ seed: 7 }));
  assert.notDeepEqual(last({ seed: 7 }), last({ seed: 8 }));
});

test('fooled digits leave when told to, with the image that fooled', () => {
  const far = { kind: 'pgd', norm: 'l2', epsilon: 12, stepSize: 4, steps: 30 };
  const all = reports(far, { stopFooled: true });
  assert.ok(all.length < 31, 'the attack ended before its last step');
  assert.deepEqual(all.at(-1).fooled, Uint8Array.of(1, 1));
  const first = all.findIndex((report) => report.fooled[0] === 1);
  assert.deepEqual(all.at(-1).images.slice(0, PIXELS), all[first].images.slice(0, PIXELS));
});

test('a landscape has the loss of the digit in its middle', () => {
  const pixels = images(1);
  const labels = labelsOf(pixels);
  const { losses, gradient } = network.gradient(pixels, labels, 'cross_entropy');
  const plane = new Landscape(pixels, gradient, 1, 3, 0.1, 2, 5);
  assert.deepEqual([plane.positions, plane.pointsPerPosition, plane.flat], [9, 3, false]);
  const points = plane.points(0, 9);
  const all = network.losses(points, new Uint8Array(27).fill(labels[0]), 'cross_entropy').losses;
  const { plain, smoothed } = plane.surfaces(all);
  assert.equal(plain[4], losses[0]);
  assert.ok(plain[5] > plain[4], 'the loss rises along its gradient');
  assert.equal(smoothed[4], (all[13] + all[14]) / 2);
  const [along, across] = [plane.alongGradient(), plane.alongNoise()];
  assert.ok(Math.abs(Math.hypot(...along) - 1) < 1e-5 && Math.abs(Math.hypot(...across) - 1) < 1e-5);
  assert.ok(Math.abs(along.reduce((sum, number, place) => sum + number * across[place], 0)) < 1e-5);
  assert.ok(new Landscape(pixels, new Float32Array(PIXELS), 1, 3, 0.1, 2, 5).flat);
});

test('what makes no sense is refused in words, and the module lives on', () => {
  const pixels = images(1);
  const label = Uint8Array.of(1);
  const id = Float64Array.of(1);
  const attack = (changes, { image = pixels, labels = label, ids = id, seed = 1 } = {}) =>
    new AttackRun(JSON.stringify(settings(changes)), image, labels, ids, seed, false);
  const nan = pixels.slice().fill(NaN, 3, 4);
  const hostile = [
    () => new DigitNetwork(new Uint8Array()),
    () => new DigitNetwork(new Uint8Array(100).fill(255)),
    () => new DigitNetwork(weights.subarray(0, 5000)),
    () => network.logits(new Float32Array()),
    () => network.logits(new Float32Array(783)),
    () => network.logits(nan),
    () => network.logits(new Float32Array(PIXELS * 8193)),
    () => network.gradient(pixels, Uint8Array.of(10), 'cross_entropy'),
    () => network.gradient(pixels, Uint8Array.of(1, 2), 'cross_entropy'),
    () => network.gradient(pixels, label, 'love'),
    () => new AttackRun('', pixels, label, id, 1, false),
    () => new AttackRun('{"kind": "so"}', pixels, label, id, 1, false),
    () => attack({ colour: 'red' }),
    () => attack({ epsilon: -1 }),
    () => attack({ epsilon: null }),
    () => attack({ steps: 0 }),
    () => attack({ steps: 1e12 }),
    () => attack({ samples: 4294967295 }),
    () => attack({ kind: 'so_even', samples: 4294967295 }),
    () => attack({ sigma: 0 }),
    () => attack({ momentum: 5 }),
    () => attack({}, { image: pixels.map((pixel) => pixel + 1) }),
    () => attack({}, { image: nan }),
    () => attack({}, { labels: Uint8Array.of(200) }),
    () => attack({}, { ids: Float64Array.of() }),
    () => attack({}, { ids: Float64Array.of(-1) }),
    () => attack({}, { ids: Float64Array.of(0.5) }),
    () => attack({}, { seed: NaN }),
    () => attack({}, { seed: 2 ** 53 }),
    () => attack({}).tell(new Float32Array(10), undefined),
    () => new Landscape(images(2), images(2), 1, 3, 0.1, 2, 1),
    () => new Landscape(pixels, nan, 1, 3, 0.1, 2, 1),
    () => new Landscape(pixels, pixels, NaN, 3, 0.1, 2, 1),
    () => new Landscape(pixels, pixels, 1, 4294967295, 0.1, 2, 1),
    () => new Landscape(pixels, pixels, 1, 3, 0.1, 4294967295, 1),
    () => new Landscape(pixels, pixels, 1, 3, 0.1, 2, 1).points(5, 4294967295),
    () => new Landscape(pixels, pixels, 1, 3, 0.1, 2, 1).points(5, 5),
    () => new Landscape(pixels, pixels, 1, 3, 0.1, 2, 1).surfaces(new Float64Array(4)),
  ];
  for (const call of hostile) {
    assert.throws(call, (error) => {
      assert.ok(error instanceof Error && !(error instanceof WebAssembly.RuntimeError), `${call}: ${error}`);
      assert.match(error.message, / /u, `${call} is refused in words`);
      return true;
    });
  }
  const run = attack({ kind: 'pgd' });
  const question = run.ask();
  assert.throws(() => run.tell(new Float32Array(7), undefined), /logits/u);
  assert.throws(() => run.tell(new Float32Array(10).fill(NaN), undefined), /NaN/u);
  assert.deepEqual(run.ask().points, question.points);
  run.tell(network.logits(question.points), undefined);
  run.ask();
  assert.throws(() => run.tell(new Float32Array(10), new Float32Array(3)), /gradient/u);
  run.ask();
  assert.throws(() => run.tell(new Float32Array(10), undefined), /gradient/u);
  assert.equal(reports({}).length, 4);
});
