import { announce, notify, report } from './announce.js';
import { LineChart } from './charts.js';
import { DigitGrid } from './digit-grid.js';
import { DrawingPad } from './drawing-pad.js';
import { byId, h, labelled, select, soon } from './dom.js';
import { Duel } from './duel.js';
import { exportJson, exportPicture } from './export.js';
import { SlotPanel, summary } from './slot.js';
import { Transport } from './transport.js';

/** @import { Page } from './main.js' */
/** @import { Example } from './digits.js' */

const LETTERS = /** @type {const} */ (['A', 'B']);

/** The view in which a digit is attacked in two ways at once. */
export class Bench {
  /** @type {(Float32Array | null)[]} logits of the digit before any attack */
  #logits = [null, null];
  /** What the slots were last asked about, so that the same is not asked twice. */
  #asked = ['', ''];
  #render = () => this.#draw();
  #charts = {
    loss: new LineChart({ title: 'Cross-entropy', unit: 'passes' }),
    norm: new LineChart({ title: 'Gradient’s l2 norm', unit: 'passes', logarithmic: true }),
    distance: new LineChart({ title: 'Distance, share of ε', unit: 'passes', range: [0, 1.05] }),
  };

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    const { store, cards, digits } = page;
    this.duel = new Duel(page.engine, (change) => this.#changed(change));
    this.panels = LETTERS.map(
      (letter, index) => new SlotPanel(letter, cards, store.state.slots[index], (change) => store.update((state) => change(state.slots[index]))),
    );
    this.transport = new Transport({
      start: (paused) => this.duel.start(page.example(), store.state.slots, paused).catch(report),
      pause: () => this.duel.pause(),
      resume: () => this.duel.resume().catch(report),
      step: () => this.duel.step().catch(report),
      cancel: () => this.duel.cancel(),
      seek: () => soon(this.#render),
    });
    this.grid = new DigitGrid(digits, (id) => store.update((state) => Object.assign(state, { digit: id, drawn: null })));
    this.pad = new DrawingPad((bytes) => this.#drawn(bytes));
    this.label = select(Array.from({ length: 10 }, (_, digit) => [String(digit), String(digit)]), (value) => store.update((state) => (state.label = Number(value))));
    this.#build();
    store.subscribe(() => this.#settings());
    this.#settings();
  }

  #build() {
    const own = h('details', { class: 'own' }, h('summary', {}, 'Draw your own'), this.pad.element, labelled('It is meant to be a', this.label, 'inline'));
    const exports = h(
      'div',
      { class: 'buttons' },
      ...LETTERS.map((letter, index) => h('button', { type: 'button', onclick: () => exportJson(this.page, this.duel, index).catch(report) }, `JSON of ${letter}`)),
      h('button', { type: 'button', onclick: () => exportPicture(this.duel, this.page.cards).catch(report) }, 'Picture (PNG)'),
    );
    byId('view-attack').append(
      h('aside', { class: 'chooser', 'aria-label': 'Digit' }, h('h2', {}, 'Digit'), this.grid.element, own),
      h(
        'div',
        { class: 'work' },
        this.transport.element,
        h('div', { class: 'slots' }, ...this.panels.map(({ element }) => element)),
        h('div', { class: 'charts' }, ...Object.values(this.#charts).map(({ element }) => element)),
        h('footer', { class: 'work-footer' }, exports, h('p', { class: 'hint' }, 'Both slots spend the same number of passes through the network. That an attack fails proves nothing: a better one may not.')),
      ),
    );
  }

  /** @param {Uint8Array} bytes */
  async #drawn(bytes) {
    const { engine, store } = this.page;
    store.update((state) => (state.drawn = bytes));
    try {
      const logits = await engine.classify(store.state.slots[0].network, this.page.example().pixels);
      const guess = logits.indexOf(Math.max(...logits));
      store.update((state) => (state.label = guess));
      announce(`The network of slot A reads your drawing as a ${guess}. Say what it is meant to be if that is wrong.`);
    } catch (error) {
      report(error);
    }
  }

  /** Something of the state has changed: another digit or network ends what was running. */
  #settings() {
    const { state } = this.page.store;
    const example = this.page.example();
    this.grid.mark(state.drawn ? -1 : state.digit);
    this.label.value = String(state.label);
    this.panels.forEach((panel, index) => panel.showSettings(state.slots[index]));
    const digit = state.drawn ? `${state.label} ${state.drawn.join()}` : String(state.digit);
    let other = false;
    state.slots.forEach((slot, index) => {
      const asked = `${slot.network} ${digit}`;
      if (asked === this.#asked[index]) return;
      this.#asked[index] = asked;
      this.#logits[index] = null;
      other = true;
      this.#classify(index, asked, example).catch(report);
    });
    if (other) this.duel.reset();
    else if (this.duel.phase === 'done' || this.duel.phase === 'cancelled') this.transport.phase(this.duel.phase);
  }

  /**
   * @param {number} index of the slot
   * @param {string} asked
   * @param {Example} example
   */
  async #classify(index, asked, example) {
    const { engine, store } = this.page;
    const { network } = store.state.slots[index];
    try {
      await engine.load(network, (loaded, total) => this.panels[index].loading(loaded / total));
      for (const warning of engine.warnings) notify(warning, 'note');
      const logits = await engine.classify(network, example.pixels);
      if (asked === this.#asked[index]) this.#logits[index] = logits;
    } finally {
      this.panels[index].loading(null);
    }
    soon(this.#render);
  }

  /** @param {"step" | "phase"} change */
  #changed(change) {
    if (change === 'phase') {
      this.transport.phase(this.duel.phase);
      if (this.duel.phase === 'done' || this.duel.phase === 'cancelled') {
        const said = this.duel.recordings.map((recording, index) => (recording ? summary(LETTERS[index], recording) : '')).join(' ');
        announce(`${this.duel.phase === 'done' ? 'Finished.' : 'Cancelled.'} ${said}`);
      } else if (this.duel.phase === 'running') announce('Running.');
    }
    soon(this.#render);
  }

  #draw() {
    const { recordings } = this.duel;
    const example = this.duel.example ?? this.page.example();
    const passes = this.transport.follow(recordings);
    this.panels.forEach((panel, index) => {
      const recording = recordings[index];
      const frame = recording?.at(passes);
      if (recording && frame) panel.showFrame(example, recording, frame);
      else panel.showNatural(example, this.#logits[index]);
    });
    const lines = (/** @type {(recording: import('./recording.js').Recording) => number[]} */ ys) =>
      recordings.flatMap((recording, index) =>
        recording ? [{ name: LETTERS[index], colour: index === 0 ? '--a' : '--b', xs: recording.passes, ys: ys(recording) }] : [],
      );
    const marks = { cursor: this.transport.live ? null : passes };
    this.#charts.loss.draw(lines((recording) => recording.losses), marks);
    this.#charts.norm.draw(lines((recording) => recording.gradientNorms), marks);
    this.#charts.distance.draw(
      lines((recording) => recording.distances.map((distance) => distance / (recording.attack.epsilon || 1))),
      { ...marks, levels: [{ at: 1, name: 'edge of the ball' }] },
    );
    if (this.duel.phase !== 'running') for (const chart of Object.values(this.#charts)) chart.describe();
  }

  /** The theme has changed. */
  redraw() {
    soon(this.#render);
  }
}
