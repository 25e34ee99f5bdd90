/**
 * Fifty digits as a hand would draw them, five of each class: strokes in a square, each set turned, sheared, stretched and
 * shaken by a seeded generator, so that every run draws the same.
 *
 * @module
 */

/** @typedef {[number, number]} Point across and down, in [0, 1] */
/** @typedef {{label: number, strokes: Point[][]}} Drawing */

/**
 * Points along an ellipse; angles in degrees, 0 to the right, 90 down.
 *
 * @param {number} x of the middle
 * @param {number} y
 * @param {number} wide
 * @param {number} tall
 * @param {number} from
 * @param {number} to
 * @returns {Point[]}
 */
function arc(x, y, wide, tall, from, to) {
  const count = Math.ceil(Math.abs(to - from) / 24);
  return Array.from({ length: count + 1 }, (_, index) => {
    const angle = ((from + ((to - from) * index) / count) * Math.PI) / 180;
    return [x + wide * Math.cos(angle), y + tall * Math.sin(angle)];
  });
}

/** @type {Point[][][]} strokes of each class */
const SHAPES = [
  [arc(0.5, 0.5, 0.25, 0.37, -80, 280)],
  [[[0.56, 0.12], [0.5, 0.5], [0.45, 0.88]]],
  [[...arc(0.49, 0.32, 0.23, 0.2, -165, 35), [0.48, 0.64], [0.27, 0.86], [0.52, 0.85], [0.77, 0.86]]],
  [[...arc(0.46, 0.31, 0.22, 0.19, -150, 80), ...arc(0.46, 0.68, 0.25, 0.2, -80, 150)]],
  [[[0.3, 0.14], [0.27, 0.5], [0.5, 0.54], [0.73, 0.5]], [[0.7, 0.14], [0.68, 0.5], [0.64, 0.88]]],
  [[[0.72, 0.13], [0.37, 0.13], [0.34, 0.45], ...arc(0.46, 0.65, 0.25, 0.22, -110, 145)]],
  [[[0.62, 0.12], [0.42, 0.32], [0.31, 0.55], ...arc(0.51, 0.69, 0.2, 0.18, 180, 530)]],
  [[[0.25, 0.16], [0.5, 0.15], [0.76, 0.15], [0.6, 0.48], [0.46, 0.88]]],
  [[...arc(0.5, 0.31, 0.19, 0.18, 80, 440), ...arc(0.5, 0.69, 0.22, 0.19, -80, 270)]],
  [[...arc(0.49, 0.33, 0.2, 0.19, -10, -360), [0.68, 0.6], [0.63, 0.88]]],
];

const EACH = 5;

/**
 * Numbers in [0, 1), always the same for a seed: mulberry32.
 *
 * @param {number} seed
 */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @returns {Drawing[]} classes in turn */
export function drawings() {
  return Array.from({ length: EACH * SHAPES.length }, (_, index) => {
    const label = index % SHAPES.length;
    const next = numbers(1000 + index);
    const around = (/** @type {number} */ spread) => spread * (2 * next() - 1);
    const [turn, shear, wide, tall] = [around(0.12), around(0.15), 1 + around(0.12), 1 + around(0.1)];
    const strokes = SHAPES[label].map((stroke) =>
      stroke.map(([across, down]) => {
        const x = (across - 0.5) * wide - (down - 0.5) * shear;
        const y = (down - 0.5) * tall;
        const turned = [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)];
        return /** @type {Point} */ (turned.map((place) => Math.min(0.94, Math.max(0.06, 0.5 + place + around(0.008)))));
      }),
    );
    return { label, strokes };
  });
}

/**
 * Draws on the page's pad with the mouse, as far as pointer events go; gives what the page makes of it.
 *
 * @param {import('playwright-core').Page} page  with the pad in sight
 * @param {Drawing} drawing
 * @returns {Promise<string>} base64 of 784 bytes
 */
export async function draw(page, { strokes }) {
  const pad = page.locator('canvas.pad');
  const box = await pad.boundingBox();
  if (!box) throw new Error('the pad is not in sight');
  const at = (/** @type {Point} */ [x, y]) => /** @type {const} */ ([box.x + x * box.width, box.y + y * box.height]);
  for (const stroke of strokes) {
    await page.mouse.move(...at(stroke[0]));
    await page.mouse.down();
    for (const point of stroke.slice(1)) await page.mouse.move(...at(point));
    await page.mouse.up();
  }
  // The digit is taken from the pad before the next picture.
  return page.evaluate(async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const { data } = document.querySelector('.drawing canvas.digit').getContext('2d').getImageData(0, 0, 28, 28);
    return btoa(String.fromCharCode(...data.filter((_, index) => index % 4 === 0)));
  });
}
