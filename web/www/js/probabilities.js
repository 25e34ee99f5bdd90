import { h, percent } from './dom.js';
import { argmax, softmax } from './statistics.js';

/** Ten bars: how much a network believes in each class. The true class and the predicted one are marked. */
export class Probabilities {
  #rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = h('span', { class: 'bar' });
    const value = h('span', { class: 'value' });
    return { row: h('li', {}, h('span', { class: 'class' }, String(digit)), h('span', { class: 'track' }, bar), value), bar, value };
  });
  element = h('ol', { class: 'probabilities', 'aria-label': 'Probabilities of the ten classes' }, ...this.#rows.map(({ row }) => row));

  /**
   * @param {ArrayLike<number>} logits
   * @param {number[]} labels classes that would be right
   */
  draw(logits, labels) {
    const probabilities = softmax(logits);
    const best = argmax(logits);
    this.#rows.forEach(({ row, bar, value }, digit) => {
      bar.style.setProperty('--share', probabilities[digit].toFixed(4));
      value.textContent = percent(probabilities[digit]);
      row.classList.toggle('true', labels.includes(digit));
      row.classList.toggle('wrong', digit === best && !labels.includes(digit));
      row.classList.toggle('best', digit === best);
    });
  }

  clear() {
    for (const { row, bar, value } of this.#rows) {
      bar.style.setProperty('--share', '0');
      value.textContent = '';
      row.className = '';
    }
  }
}
