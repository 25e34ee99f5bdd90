import { fromBytes } from './digits.js';
import { h } from './dom.js';
import { digitCanvas, paintDigit } from './pixels.js';

/** @import { Digits } from './digits.js' */

const COLUMNS = 10;

/** The page's test digits, a column for each class; one of them is chosen, and arrow keys move the choice. */
export class DigitGrid {
  /** @type {HTMLElement[]} */
  #options = [];
  /** @type {number[]} */
  #ids = [];
  element = h('div', { class: 'digit-grid', role: 'listbox', 'aria-label': 'Test digits, a column for each class' });

  /**
   * @param {Digits} digits
   * @param {(id: number) => void} onChoice
   */
  constructor(digits, onChoice) {
    this.onChoice = onChoice;
    const places = digits.balanced(digits.count);
    places.forEach((place) => {
      const canvas = digitCanvas('');
      paintDigit(canvas, fromBytes(digits.bytesAt(place)));
      const id = digits.ids[place];
      const label = `${digits.labels[place]}, test digit ${id}`;
      const option = h('div', { role: 'option', tabindex: '-1', 'aria-selected': 'false', 'aria-label': label, title: label }, canvas);
      option.addEventListener('click', () => this.#choose(this.#ids.indexOf(id)));
      this.#options.push(option);
      this.#ids.push(id);
    });
    this.element.append(...this.#options);
    this.element.addEventListener('keydown', (event) => this.#key(event));
    this.mark(-1);
  }

  /**
   * Shows which digit is chosen without asking anyone.
   *
   * @param {number} id -1 when none is
   */
  mark(id) {
    const chosen = this.#ids.indexOf(id);
    this.#options.forEach((option, index) => {
      option.setAttribute('aria-selected', String(index === chosen));
      option.tabIndex = index === Math.max(0, chosen) ? 0 : -1;
    });
  }

  /** @param {number} index */
  #choose(index) {
    this.#options[index].focus();
    this.onChoice(this.#ids[index]);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = this.#options.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    const end = this.#options.length - 1;
    const column = at % COLUMNS;
    const targets = /** @type {Record<string, number>} */ ({
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - COLUMNS,
      ArrowDown: at + COLUMNS,
      PageUp: Math.max(column, at - 5 * COLUMNS),
      PageDown: Math.min(end - (COLUMNS - 1 - column), at + 5 * COLUMNS),
      Home: 0,
      End: end,
      Enter: at,
      ' ': at,
    });
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    if (target >= 0 && target <= end) this.#choose(target);
  }
}
