import { SIDE } from './centring.js';
import { h } from './dom.js';

/**
 * A canvas of one digit, enlarged by the style sheet without smoothing.
 *
 * @param {string} label for those who do not see it; none for decoration
 * @param {string} [className]
 */
export function digitCanvas(label, className = 'digit') {
  return h('canvas', {
    width: SIDE,
    height: SIDE,
    class: className,
    role: label ? 'img' : null,
    'aria-label': label || null,
    'aria-hidden': label ? null : 'true',
  });
}

/**
 * Paints each pixel with a colour.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} length of the square's side
 * @param {(index: number) => ArrayLike<number>} colour red, green, blue from 0 to 255
 */
export function paint(canvas, length, colour) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const image = context.createImageData(length, length);
  for (let index = 0; index < length * length; index++) {
    const rgb = colour(index);
    image.data[4 * index] = rgb[0];
    image.data[4 * index + 1] = rgb[1];
    image.data[4 * index + 2] = rgb[2];
    image.data[4 * index + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * A digit as MNIST shows it: ink is white.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} pixels 784 in [0, 1]
 */
export function paintDigit(canvas, pixels) {
  paint(canvas, SIDE, (index) => {
    const grey = 255 * pixels[index];
    return [grey, grey, grey];
  });
}

/** @param {HTMLCanvasElement} canvas */
export function clear(canvas) {
  canvas.getContext('2d')?.clearRect(0, 0, canvas.width, canvas.height);
}
