import { report } from './announce.js';
import { fromBytes } from './digits.js';
import { byId, h, labelled, s, select, soon } from './dom.js';
import { digitCanvas, paintDigit } from './pixels.js';
import { Probabilities } from './probabilities.js';

/** @import { Pair } from './digits.js' */
/** @import { Page } from './main.js' */

/** The radius of the paper's l2 ball, and pixels of the drawing to one unit of distance. */
const RADIUS = 4;
const UNIT = 24;
const CONSEQUENCE =
  'Whatever class a classifier gives to the midpoint, it is wrong about at least one of the two digits. No training and no network changes that; only the digits do. So every such pair costs every classifier at least one of its two digits: by our count of disjoint pairs no classifier can be robust at l2 4.0 on more than 54.73 % of the 10,000 test digits, and by groups in conflict no deterministic one on more than 44.46 %. A measured accuracy above that says that the attack failed.';

/** Two real digits of different classes that share an image within reach of both: no classifier is right about it. */
export class PairView {
  #pictures = ['First', 'Between', 'Second'].map((name) => {
    const canvas = digitCanvas(name);
    const caption = h('figcaption', {}, name);
    return { canvas, caption, element: h('figure', { class: 'picture' }, caption, canvas) };
  });
  #opinions = [0, 1].map((index) => {
    const title = h('h3');
    const probabilities = new Probabilities();
    return { title, probabilities, element: h('section', { class: `opinion slot-${'ab'[index]}` }, title, probabilities.element) };
  });
  #slider = h('input', { type: 'range', min: '0', max: '1', step: '0.01', id: 'pair-position' });
  #balls = s('svg', { class: 'balls', role: 'img', viewBox: '-180 -104 360 208' });
  #fact = h('p', { class: 'facts' });
  #asked = '';
  #render = () => this.#draw();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    const { store, digits } = page;
    this.choice = select(
      digits.pairs.map(({ labels, distance }, index) => [String(index), `${labels[0]} and ${labels[1]}, ${distance.toFixed(2)} apart`]),
      (value) => store.update((state) => (state.pair.index = Number(value))),
    );
    this.#slider.addEventListener('input', () => store.update((state) => (state.pair.position = Number(this.#slider.value))));
    const middle = h('button', { type: 'button', onclick: () => store.update((state) => (state.pair.position = 0.5)) }, 'To the midpoint');
    byId('view-pair').append(
      h('h2', {}, 'The impossible pair'),
      h('p', { class: 'lead' }, 'To be robust at l2 4.0 on a test digit, a classifier must give its class to every image within that distance. Here are two test digits of different classes, less than 8.0 apart. Their balls meet, and the midpoint lies in both.'),
      h('form', { class: 'controls band' }, labelled('Pair', this.choice, 'wide'), h('div', { class: 'field widest' }, h('label', { for: 'pair-position' }, 'From the first to the second'), this.#slider), middle),
      h(
        'div',
        { class: 'pair' },
        h('div', { class: 'pictures' }, ...this.#pictures.map(({ element }) => element)),
        this.#balls,
        h('div', { class: 'opinions' }, ...this.#opinions.map(({ element }) => element)),
        h('div', { class: 'pair-text' }, this.#fact, h('p', {}, CONSEQUENCE)),
      ),
    );
    store.subscribe(() => this.#follow());
    this.#follow();
  }

  redraw() {
    soon(this.#render);
  }

  /** @returns {Pair | undefined} */
  get #pair() {
    return this.page.digits.pairs[this.page.store.state.pair.index];
  }

  /** @param {Pair} pair */
  #images(pair) {
    const [first, second] = pair.pixels.map((place) => fromBytes(this.page.digits.bytesAt(place)));
    const { position } = this.page.store.state.pair;
    return [first, first.map((pixel, index) => pixel + position * (second[index] - pixel)), second];
  }

  #follow() {
    const { state } = this.page.store;
    if (state.view !== 'pair') return;
    const asked = `${state.pair.index} ${state.pair.position} ${state.slots.map(({ network }) => network).join()}`;
    if (asked === this.#asked) return;
    this.#asked = asked;
    soon(this.#render);
    this.#classify(asked).catch(report);
  }

  /** @param {string} asked */
  async #classify(asked) {
    const pair = this.#pair;
    if (!pair) return;
    const between = this.#images(pair)[1];
    const { slots } = this.page.store.state;
    const shown = slots[0].network === slots[1].network ? [slots[0]] : slots;
    this.#opinions[1].element.hidden = shown.length < 2;
    for (const [index, { network }] of shown.entries()) {
      await this.page.engine.load(network);
      const logits = await this.page.engine.classify(network, between);
      if (asked !== this.#asked) return;
      this.#opinions[index].title.textContent = this.page.cards.find(({ id }) => id === network)?.title ?? network;
      this.#opinions[index].probabilities.draw(logits, pair.labels);
    }
  }

  #draw() {
    const pair = this.#pair;
    if (!pair) {
      this.#fact.textContent = 'This page was built without pairs of digits.';
      return;
    }
    const { index, position } = this.page.store.state.pair;
    this.choice.value = String(index);
    this.#slider.value = String(position);
    const names = [`A ${pair.labels[0]}, test digit ${pair.first}`, position === 0.5 ? 'The midpoint' : 'In between', `A ${pair.labels[1]}, test digit ${pair.second}`];
    this.#images(pair).forEach((pixels, place) => {
      const { canvas, caption } = this.#pictures[place];
      paintDigit(canvas, pixels);
      caption.textContent = names[place];
      canvas.setAttribute('aria-label', names[place]);
    });
    const distances = [position * pair.distance, (1 - position) * pair.distance];
    const inside = distances.map((distance) => distance <= RADIUS);
    const place = inside[0] && inside[1] ? 'inside both balls' : inside[0] ? 'inside the first ball only' : 'inside the second ball only';
    this.#fact.textContent = `The image in the middle is ${distances[0].toFixed(2)} from the ${pair.labels[0]} and ${distances[1].toFixed(2)} from the ${pair.labels[1]}: ${place} of radius ${RADIUS.toFixed(1)}.`;
    this.#slider.setAttribute('aria-valuetext', this.#fact.textContent);
    const [left, right] = [-pair.distance / 2, pair.distance / 2].map((x) => x * UNIT);
    const at = left + position * (right - left);
    this.#balls.setAttribute('aria-label', `Two balls of radius ${RADIUS}, their middles ${pair.distance.toFixed(2)} apart; the image is ${place}.`);
    this.#balls.replaceChildren(
      s('circle', { class: 'ball first', cx: left, cy: 0, r: RADIUS * UNIT }),
      s('circle', { class: 'ball second', cx: right, cy: 0, r: RADIUS * UNIT }),
      s('line', { x1: left, x2: right, y1: 0, y2: 0 }),
      s('circle', { class: 'end', cx: left, cy: 0, r: 3 }),
      s('circle', { class: 'end', cx: right, cy: 0, r: 3 }),
      s('circle', { class: 'point', cx: at, cy: 0, r: 6 }),
      s('text', { x: left, y: 22 }, String(pair.labels[0])),
      s('text', { x: right, y: 22 }, String(pair.labels[1])),
      s('text', { x: 0, y: -12 }, `${pair.distance.toFixed(2)}`),
    );
  }
}
