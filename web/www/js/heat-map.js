import { SIDE } from './centring.js';
import { isDark, signed } from './colours.js';
import { figure, h } from './dom.js';
import { clear, digitCanvas, paint } from './pixels.js';

/** The signed difference of two images with its scale below: what was taken away and what was added. */
export class HeatMap {
  #canvas = digitCanvas('Perturbation, none yet');
  #scale = h('canvas', { width: 101, height: 1, class: 'scale', 'aria-hidden': 'true' });
  #low = h('span');
  #high = h('span');
  element = h(
    'figure',
    { class: 'picture' },
    h('figcaption', {}, 'Perturbation'),
    this.#canvas,
    h('div', { class: 'scale-row' }, this.#low, this.#scale, this.#high),
  );

  /**
   * @param {ArrayLike<number>} natural
   * @param {ArrayLike<number>} changed
   */
  draw(natural, changed) {
    const dark = isDark();
    let largest = 0;
    for (let index = 0; index < SIDE * SIDE; index++) {
      largest = Math.max(largest, Math.abs(changed[index] - natural[index]));
    }
    const span = largest || 1;
    paint(this.#canvas, SIDE, (index) => signed((changed[index] - natural[index]) / span, dark));
    paintScale(this.#scale, dark);
    this.#low.textContent = largest ? `−${largest.toFixed(2)}` : '';
    this.#high.textContent = largest ? `+${largest.toFixed(2)}` : '';
    this.#canvas.setAttribute('aria-label', `Perturbation, no pixel changed by more than ${figure(largest)}`);
  }

  clear() {
    clear(this.#canvas);
    clear(this.#scale);
    this.#low.textContent = this.#high.textContent = '';
    this.#canvas.setAttribute('aria-label', 'Perturbation, none yet');
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {boolean} dark
 */
function paintScale(canvas, dark) {
  const context = canvas.getContext('2d');
  if (!context) return;
  for (let column = 0; column < canvas.width; column++) {
    context.fillStyle = `rgb(${signed(column / 50 - 1, dark).map(Math.round).join(' ')})`;
    context.fillRect(column, 0, 1, 1);
  }
}
