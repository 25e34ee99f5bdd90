import assert from 'node:assert/strict';
import test from 'node:test';
import { SIDE, centreAsMnist } from '../www/js/centring.js';

/** Ink of a rectangle on a pad. */
function rectangle(width, height, left, top, right, bottom) {
  const ink = new Uint8Array(width * height);
  for (let row = top; row < bottom; row++) ink.fill(255, row * width + left, row * width + right);
  return ink;
}

/** Bounds of everything that is not paper. */
function bounds(image) {
  const inked = [...image.keys()].filter((index) => image[index] > 0);
  const columns = inked.map((index) => index % SIDE);
  const rows = inked.map((index) => Math.floor(index / SIDE));
  return [Math.min(...columns), Math.min(...rows), Math.max(...columns), Math.max(...rows)];
}

test('an empty pad is no digit', () => {
  assert.equal(centreAsMnist(new Uint8Array(100 * 100), 100, 100), null);
});

test('a tall stroke fills 20 rows and keeps its shape, wherever it was drawn', () => {
  const image = centreAsMnist(rectangle(280, 280, 10, 20, 50, 120), 280, 280);
  assert.deepEqual(bounds(image), [10, 4, 17, 23]);
  assert.deepEqual(centreAsMnist(rectangle(280, 280, 200, 150, 240, 250), 280, 280), image);
});

test('the centre of mass, not of the box, comes to the middle', () => {
  // A bar of 100 x 20 with a heavy block of 40 x 40 below its left end.
  const ink = rectangle(280, 280, 50, 50, 150, 70);
  for (let row = 70; row < 110; row++) ink.fill(255, row * 280 + 50, row * 280 + 90);
  const image = centreAsMnist(ink, 280, 280);
  let mass = 0;
  let across = 0;
  let down = 0;
  image.forEach((value, index) => {
    mass += value;
    across += value * ((index % SIDE) + 0.5);
    down += value * (Math.floor(index / SIDE) + 0.5);
  });
  assert.ok(Math.abs(across / mass - SIDE / 2) <= 0.5);
  assert.ok(Math.abs(down / mass - SIDE / 2) <= 0.5);
  const [left, , right] = bounds(image);
  assert.notEqual(left + right, SIDE - 1);
});

test('edges that fall between pixels become grey in proportion', () => {
  // 30 x 40 scales to 15 x 20; a quarter column of the pad's ink is missing on one side.
  const ink = rectangle(100, 100, 10, 10, 40, 50);
  for (let row = 10; row < 50; row++) ink[row * 100 + 39] = row < 49 ? 0 : 255;
  const image = centreAsMnist(ink, 100, 100);
  assert.ok(image.includes(128), 'half a pixel of ink is half grey');
});

test('a drawing of full ink never leaves the image', () => {
  const image = centreAsMnist(rectangle(30, 3, 0, 0, 30, 3), 30, 3);
  assert.deepEqual(bounds(image), [4, 13, 23, 14]);
});
