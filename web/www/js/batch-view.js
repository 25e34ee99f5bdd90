import { announce, report } from './announce.js';
import { LineChart } from './charts.js';
import { fromBytes } from './digits.js';
import { byId, h, labelled, percent, select, soon } from './dom.js';
import { nextSlot } from './lockstep.js';
import { digitCanvas, paintDigit } from './pixels.js';
import { KIND_NAMES, NORM_NAMES } from './presets.js';
import { wilsonInterval } from './statistics.js';

/** @import { AttackRun } from '../engine/engine.js' */
/** @import { StepReport } from '../engine/protocol.js' */
/** @import { Page } from './main.js' */

const PIXELS = 784;
const LETTERS = ['A', 'B'];

/** @typedef {{passes: number[], steps: number[], standing: number[], fooled: Uint8Array, images: Float32Array, predictions: Uint8Array, name: string}} Tally */

/** Both slots' attacks on some digits: accuracy left against passes, with its interval. */
export class BatchView {
  #chart = new LineChart({ title: 'Accuracy left, 95 % Wilson interval', unit: 'steps', range: [0, 1], percent: true });
  #run = h('button', { type: 'button', class: 'primary', onclick: () => (this.#turn.running ? this.#stop() : this.#start().catch(report)) }, 'Attack');
  #count = select(['10', '20', '50', '100', '200'].map((count) => [count, `${count} digits`]), (value) => this.page.store.update((state) => (state.batch.count = Number(value))));
  #axis = select([['steps', 'steps'], ['passes', 'passes a digit']], (value) => {
    this.#against = value === 'passes' ? 'passes' : 'steps';
    this.#chart.unit(value === 'passes' ? 'passes a digit' : 'steps');
    soon(this.#render);
  });
  #table = h('tbody');
  #grids = LETTERS.map((letter) => h('div', { class: 'wall', role: 'img', 'aria-label': `Digits after the attack of slot ${letter}` }));
  /** @type {(Tally | null)[]} */
  #tallies = [null, null];
  /** @type {'passes' | 'steps'} */
  #against = 'steps';
  #turn = { running: false };
  #render = () => this.#draw();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    const head = ['Slot', 'Attack', 'Left', 'Interval of 95 %', 'Passes a digit'].map((text) => h('th', { scope: 'col' }, text));
    byId('view-batch').append(
      h('h2', {}, 'A batch, since one digit proves nothing'),
      h('p', { class: 'lead' }, 'Both slots’ attacks, set on the first view, against the same test digits, every class alike. A digit is lost as soon as any step fools the network. What is left is an upper bound on the accuracy under every attack of that radius.'),
      h('form', { class: 'controls band' }, labelled('Number', this.#count), labelled('Against', this.#axis), this.#run),
      h(
        'div',
        { class: 'batch' },
        this.#chart.element,
        h('div', { class: 'table' }, h('table', {}, h('caption', {}, 'Digits that still stand'), h('thead', {}, h('tr', {}, ...head)), this.#table)),
        ...this.#grids.map((grid, index) => h('figure', { class: 'walled' }, h('figcaption', {}, `Slot ${LETTERS[index]}: outlined digits fooled the network`), grid)),
      ),
    );
    page.store.subscribe(() => (this.#count.value = String(page.store.state.batch.count)));
    this.#count.value = String(page.store.state.batch.count);
  }

  redraw() {
    soon(this.#render);
  }

  #stop() {
    this.#turn.running = false;
  }

  async #start() {
    const turn = { running: true };
    this.#turn = turn;
    this.#run.textContent = 'Cancel';
    this.#tallies = [null, null];
    const { engine, digits, store, cards } = this.page;
    const places = digits.balanced(store.state.batch.count);
    const pixels = new Float32Array(places.length * PIXELS);
    places.forEach((place, index) => pixels.set(fromBytes(digits.bytesAt(place)), index * PIXELS));
    const labels = Uint8Array.from(places, (place) => digits.labels[place]);
    /** @type {(AttackRun | null)[]} */
    const runs = [null, null];
    const over = [false, false];
    this.#walls(places.length);
    try {
      for (const [index, slot] of store.state.slots.entries()) {
        const { kind, norm, epsilon } = slot.attack;
        const title = cards.find(({ id }) => id === slot.network)?.title ?? slot.network;
        const name = `${KIND_NAMES[kind]}, ${NORM_NAMES[norm]} ${epsilon}, on ${title}`;
        await engine.load(slot.network);
        runs[index] = await engine.attack({ network: slot.network, attack: { ...slot.attack }, pixels: pixels.slice(), labels, ids: places.map((place) => digits.ids[place]), seed: slot.seed, stopFooled: true });
        this.#tallies[index] = { name, passes: [], steps: [], standing: [], fooled: new Uint8Array(places.length), images: pixels, predictions: labels.slice() };
      }
      while (turn.running) {
        const next = nextSlot(this.#tallies.map((tally, index) => tally && { passes: tally.passes.at(-1) ?? 0, over: over[index] }));
        if (next < 0) break;
        const step = await runs[next]?.step();
        const tally = this.#tallies[next];
        if (step && tally) count(tally, step);
        over[next] = !step || step.step >= step.steps || (tally?.standing.at(-1) === 0);
        soon(this.#render);
      }
    } finally {
      for (const run of runs) run?.close().catch(() => {});
      if (turn === this.#turn) this.#end(turn.running);
      turn.running = false;
    }
  }

  /** @param {boolean} finished */
  #end(finished) {
    this.#run.textContent = 'Attack again';
    for (const grid of this.#grids) for (const canvas of grid.querySelectorAll('canvas')) delete canvas.dataset.state;
    soon(this.#render);
    this.#chart.describe();
    announce(`${finished ? 'Finished' : 'Cancelled'}. ${this.#tallies.map((tally, index) => (tally ? `Slot ${LETTERS[index]}: ${tally.standing.at(-1) ?? 0} of ${tally.fooled.length} digits stand.` : '')).join(' ')}`);
  }

  /** @param {number} count */
  #walls(count) {
    for (const grid of this.#grids) grid.replaceChildren(...Array.from({ length: count }, () => digitCanvas('', 'digit')));
  }

  #draw() {
    this.#chart.draw(
      this.#tallies.flatMap((tally, index) => {
        if (!tally) return [];
        const total = tally.fooled.length;
        const intervals = tally.standing.map((standing) => wilsonInterval(standing, total));
        return [{ name: LETTERS[index], colour: index === 0 ? '--a' : '--b', xs: tally[this.#against], ys: tally.standing.map((standing) => standing / total), band: { low: intervals.map(({ low }) => low), high: intervals.map(({ high }) => high) } }];
      }),
    );
    this.#table.replaceChildren(
      ...this.#tallies.flatMap((tally, index) => {
        if (!tally) return [];
        const standing = tally.standing.at(-1) ?? 0;
        const { low, high } = wilsonInterval(standing, tally.fooled.length);
        const cells = [tally.name, `${standing} of ${tally.fooled.length}`, `${percent(low)} to ${percent(high)}`, String(tally.passes.at(-1) ?? 0)];
        return [h('tr', {}, h('th', { scope: 'row' }, LETTERS[index]), ...cells.map((text) => h('td', {}, text)))];
      }),
    );
    this.#tallies.forEach((tally, index) => {
      if (!tally) return;
      const { fooled, images } = tally;
      [...this.#grids[index].children].forEach((canvas, place) => {
        // Once when a run begins, when a digit falls, and when the run ends.
        const state = fooled[place] ? 'fooled' : 'standing';
        const drawn = /** @type {HTMLCanvasElement} */ (canvas);
        if (drawn.dataset.state === state) return;
        drawn.dataset.state = state;
        paintDigit(drawn, images.subarray(place * PIXELS, (place + 1) * PIXELS));
      });
      this.#grids[index].setAttribute('aria-label', `Slot ${LETTERS[index]}: ${fooled.reduce((sum, each) => sum + each, 0)} of ${fooled.length} digits fooled the network`);
    });
  }
}

/**
 * @param {Tally} tally
 * @param {StepReport} step
 */
function count(tally, step) {
  tally.images = step.images;
  step.fooled.forEach((fooled, index) => (tally.fooled[index] ||= fooled));
  tally.predictions = step.predictions;
  tally.steps.push(step.step);
  tally.passes.push(Math.max(...step.passes));
  tally.standing.push(tally.fooled.length - tally.fooled.reduce((sum, each) => sum + each, 0));
}
