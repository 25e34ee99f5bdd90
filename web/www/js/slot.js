import { Controls } from './controls.js';
import { figure, h, percent } from './dom.js';
import { HeatMap } from './heat-map.js';
import { digitCanvas, paintDigit } from './pixels.js';
import { KIND_NAMES, NORM_NAMES } from './presets.js';
import { Probabilities } from './probabilities.js';
import { softmax } from './statistics.js';

/** @import { NetworkCard } from '../engine/protocol.js' */
/** @import { Example } from './digits.js' */
/** @import { Frame, Recording } from './recording.js' */
/** @import { Slot } from './state.js' */

/** One half of the bench: a network, what attacks it, and what has become of the digit. */
export class SlotPanel {
  #image = digitCanvas('The digit');
  #caption = h('figcaption', {}, 'Digit');
  #heat = new HeatMap();
  #probabilities = new Probabilities();
  #verdict = h('p', { class: 'verdict' }, ' ');
  #fill = h('span', { class: 'fill' });
  #meter = h('div', { class: 'meter', role: 'meter', 'aria-label': 'Distance within the ball', 'aria-valuemin': '0', 'aria-valuemax': '1', 'aria-valuenow': '0' }, this.#fill);
  #distance = h('dd');
  #passes = h('dd');
  #time = h('dd');
  #norm = h('dd');
  #progress = h('progress', { max: '1', value: '0', hidden: true, 'aria-label': 'Loading the network' });
  #card = h('div', { class: 'card-text' });

  /**
   * @param {"A" | "B"} letter
   * @param {NetworkCard[]} cards
   * @param {Slot} slot
   * @param {(change: (slot: Slot) => void) => void} onChange
   */
  constructor(letter, cards, slot, onChange) {
    this.letter = letter;
    this.cards = cards;
    this.controls = new Controls(`slot ${letter}`, cards, slot, onChange);
    const dialog = h('dialog', { class: 'card', 'aria-label': `Card of the network in slot ${letter}` }, this.#card);
    dialog.append(h('button', { type: 'button', onclick: () => dialog.close() }, 'Close'));
    const title = h('h2', {}, h('span', { class: 'letter' }, letter), h('span', { class: 'visually-hidden' }, ' slot'));
    this.element = h(
      'section',
      { class: `slot slot-${letter.toLowerCase()}`, 'aria-label': `Slot ${letter}` },
      h('header', {}, title, this.#verdict, this.#progress, h('button', { type: 'button', class: 'plain', onclick: () => dialog.showModal() }, 'Card')),
      this.controls.element,
      h('div', { class: 'pictures' }, h('figure', { class: 'picture' }, this.#caption, this.#image), this.#heat.element, this.#probabilities.element),
      this.#meter,
      h(
        'dl',
        { class: 'readout' },
        h('div', {}, h('dt', {}, 'Distance'), this.#distance),
        h('div', {}, h('dt', {}, 'Passes'), this.#passes),
        h('div', {}, h('dt', {}, 'ms a gradient'), this.#time),
        h('div', {}, h('dt', {}, 'Gradient’s l2 norm'), this.#norm),
      ),
      dialog,
    );
    this.showSettings(slot);
  }

  /** @param {Slot} slot */
  showSettings(slot) {
    this.controls.show(slot);
    const card = this.cards.find(({ id }) => id === slot.network);
    if (card && this.#card.dataset.network !== card.id) {
      this.#card.dataset.network = card.id;
      this.#card.replaceChildren(...cardText(card));
    }
  }

  /** @param {number | null} share of the network's bytes; null when there is nothing to wait for */
  loading(share) {
    this.#progress.hidden = share === null;
    this.#progress.value = share ?? 0;
  }

  /**
   * The digit before any attack.
   *
   * @param {Example} example
   * @param {ArrayLike<number> | null} logits
   */
  showNatural(example, logits) {
    paintDigit(this.#image, example.pixels);
    this.#image.setAttribute('aria-label', `The digit, a ${example.label}`);
    this.#caption.textContent = 'Digit';
    this.#heat.clear();
    if (logits) this.#probabilities.draw(logits, [example.label]);
    else this.#probabilities.clear();
    this.#verdict.textContent = logits ? saying(logits, example.label) : ' ';
    this.#verdict.className = 'verdict';
    this.#measure(null, null);
  }

  /**
   * @param {Example} example
   * @param {Recording} recording
   * @param {Frame} frame
   */
  showFrame(example, recording, frame) {
    paintDigit(this.#image, frame.image);
    this.#heat.draw(example.pixels, frame.image);
    this.#probabilities.draw(frame.logits, [example.label]);
    this.#caption.textContent = `Step ${frame.step} of ${recording.steps}`;
    const said = saying(frame.logits, example.label);
    this.#image.setAttribute('aria-label', `The digit after step ${frame.step}: ${said}`);
    const first = recording.firstFooled;
    const since = first >= 0 && frame.step > first ? `; first at step ${first}` : '';
    this.#verdict.textContent = frame.fooled ? `Fooled: ${said}${since}` : `${said}${since && `; fooled${since.slice(1)}`}`;
    this.#verdict.className = `verdict ${frame.fooled ? 'fooled' : 'standing'}`;
    this.#measure(recording, frame);
  }

  /**
   * @param {Recording | null} recording
   * @param {Frame | null} frame
   */
  #measure(recording, frame) {
    if (!recording || !frame) {
      this.#fill.style.setProperty('--share', '0');
      for (const each of [this.#distance, this.#passes, this.#time, this.#norm]) each.textContent = '–';
      this.#meter.setAttribute('aria-valuetext', 'nothing yet');
      return;
    }
    const { norm, epsilon } = recording.attack;
    const distance = recording.distances[frame.step] ?? 0;
    const share = epsilon > 0 ? Math.min(1, distance / epsilon) : 1;
    this.#fill.style.setProperty('--share', share.toFixed(4));
    this.#meter.setAttribute('aria-valuenow', share.toFixed(2));
    const text = `${NORM_NAMES[norm]} ${distance.toFixed(2)} of ${epsilon}`;
    this.#meter.setAttribute('aria-valuetext', text);
    this.#distance.textContent = text;
    this.#passes.textContent = frame.passes.toLocaleString('en');
    this.#time.textContent = recording.gradients > 0 ? figure(recording.milliseconds / recording.gradients) : '–';
    const before = recording.gradientNorms[frame.step - 1];
    const looked = Number.isNaN(frame.gradientNorm) && before !== undefined;
    this.#norm.textContent = looked ? `${figure(before)} (step ${frame.step - 1})` : figure(frame.gradientNorm);
  }
}

/**
 * @param {ArrayLike<number>} logits
 * @param {number} label
 */
function saying(logits, label) {
  const probabilities = softmax(logits);
  const best = probabilities.indexOf(Math.max(...probabilities));
  return best === label ? `says ${best}, ${percent(probabilities[best])}` : `says ${best}, not ${label}, ${percent(probabilities[best])}`;
}

/**
 * A sentence for screen readers when a run is over.
 *
 * @param {string} letter
 * @param {Recording} recording
 */
export function summary(letter, recording) {
  const { kind } = recording.attack;
  const frame = recording.newest;
  if (!frame) return `Slot ${letter}: no step was taken.`;
  const verdict = recording.firstFooled >= 0 ? `fooled first at step ${recording.firstFooled}` : 'not fooled';
  return `Slot ${letter}, ${KIND_NAMES[kind]}: ${verdict}, ${frame.passes} passes.`;
}

/** @param {NetworkCard} card */
function cardText(card) {
  const { text, metadata } = card.card;
  const rows = Object.entries(metadata).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)));
  return [
    h('h2', {}, card.title),
    ...text.split(/\n{2,}/).filter(Boolean).map((paragraph) => h('p', {}, paragraph)),
    h('dl', {}, h('div', {}, h('dt', {}, 'file'), h('dd', {}, `${card.file}, ${(card.bytes / 1e6).toFixed(2)} MB`)), h('div', {}, h('dt', {}, 'sha256'), h('dd', {}, card.sha256)), ...rows),
  ];
}
