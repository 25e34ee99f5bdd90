import { h, labelled, select } from './dom.js';
import { KIND_NAMES, NORM_NAMES, asThePaper, strong, usesNoise } from './presets.js';
import { RANGES, SEEDS } from './state.js';

/** @import { NetworkCard } from '../engine/protocol.js' */
/** @import { Slot, Range } from './state.js' */
/** @import { Settings } from './presets.js' */

const START_NAMES = { natural: 'the digit', uniform: 'anywhere in the ball', gaussian: 'Gaussian noise' };
const RULE_NAMES = { steepest: 'steepest in the norm', unit: 'gradient, length 1', sign: 'sign', raw: 'raw gradient' };
const LOSS_NAMES = { cross_entropy: 'cross-entropy', cw_margin: 'margin of logits' };

/** The form of a slot: its network, its attack and every number of it. */
export class Controls {
  #slot;
  #network;
  /** @type {Map<string, HTMLInputElement | HTMLSelectElement>} */
  #inputs = new Map();

  /**
   * @param {string} name of the slot
   * @param {NetworkCard[]} cards
   * @param {Slot} slot
   * @param {(change: (slot: Slot) => void) => void} onChange
   */
  constructor(name, cards, slot, onChange) {
    this.#slot = slot;
    this.onChange = onChange;
    this.#network = select(cards.map(({ id, title }) => [id, title]), (id) => onChange((each) => (each.network = id)));
    const presets = h(
      'div',
      { class: 'presets', role: 'group', 'aria-label': `Presets of ${name}` },
      h('button', { type: 'button', title: '40 steps; S-O with 20 samples each', onclick: () => this.#preset(asThePaper) }, 'As the paper'),
      h('button', { type: 'button', title: '400 steps of one gradient each', onclick: () => this.#preset(strong) }, 'Strong'),
    );
    this.element = h(
      'form',
      { class: 'controls', 'aria-label': `Settings of ${name}` },
      labelled('Network', this.#network, 'wide'),
      labelled('Attack', this.#choice('kind', KIND_NAMES, (kind) => this.#renew({ kind })), 'wide'),
      labelled('Norm', this.#choice('norm', NORM_NAMES, (norm) => this.#renew({ norm }))),
      labelled('Radius ε', this.#number('epsilon', RANGES.epsilon, 0.1)),
      labelled('Step size', this.#number('stepSize', RANGES.stepSize, 0.005)),
      labelled('Steps', this.#number('steps', RANGES.steps, 1)),
      labelled('Sigma σ', this.#number('sigma', RANGES.sigma, 0.05)),
      labelled('Samples', this.#number('samples', RANGES.samples, 1)),
      labelled('Seed', this.#number('seed', SEEDS, 1)),
      h('div', { class: 'field' }, h('span', { class: 'label' }, 'Preset'), presets),
      h(
        'details',
        { class: 'more' },
        h('summary', {}, 'Direction, start, loss'),
        h(
          'div',
          { class: 'controls' },
          labelled('Step along', this.#choice('rule', RULE_NAMES, (rule) => this.#set({ rule })), 'wide'),
          labelled('Start', this.#choice('start', START_NAMES, (start) => this.#set({ start })), 'wide'),
          labelled('Loss', this.#choice('loss', LOSS_NAMES, (loss) => this.#set({ loss })), 'wide'),
          labelled('Momentum', this.#number('momentum', RANGES.momentum, 0.1)),
          labelled('Start’s σ', this.#number('startSigma', RANGES.startSigma, 0.05)),
        ),
      ),
    );
    this.element.addEventListener('submit', (event) => event.preventDefault());
    this.show(slot);
  }

  /** @param {Slot} slot */
  show(slot) {
    this.#slot = slot;
    const { attack } = slot;
    this.#network.value = slot.network;
    const values = /** @type {Record<string, string | number>} */ (/** @type {unknown} */ ({ ...attack, seed: slot.seed }));
    for (const [name, input] of this.#inputs) {
      const text = String(values[name]);
      if (input !== document.activeElement || input instanceof HTMLSelectElement) input.value = text;
    }
    const off = /** @type {Record<string, boolean>} */ ({
      sigma: !usesNoise(attack.kind),
      samples: !usesNoise(attack.kind),
      steps: attack.kind === 'fgsm',
      stepSize: attack.kind === 'fgsm',
      start: attack.kind === 'fgsm',
      momentum: attack.kind === 'fgsm',
      startSigma: attack.start !== 'gaussian' || attack.kind === 'fgsm',
    });
    for (const [name, input] of this.#inputs) input.disabled = off[name] ?? false;
  }

  /**
   * Another kind or norm makes other numbers sensible; a radius stays as long as its norm does.
   *
   * @param {Partial<Settings>} change
   */
  #renew(change) {
    const { attack } = this.#slot;
    const { kind, norm } = { ...attack, ...change };
    const settings = change.norm ? strong(kind, norm) : strong(kind, norm, attack.epsilon);
    this.onChange((slot) => (slot.attack = settings));
  }

  /** @param {(kind: Settings["kind"], norm: Settings["norm"]) => Settings} make */
  #preset(make) {
    const { kind, norm } = this.#slot.attack;
    this.onChange((slot) => (slot.attack = make(kind, norm)));
  }

  /** @param {Partial<Settings>} change */
  #set(change) {
    this.onChange((slot) => Object.assign(slot.attack, change));
  }

  /**
   * @template {string} V
   * @param {string} name
   * @param {Record<V, string>} names
   * @param {(value: V) => void} apply
   */
  #choice(name, names, apply) {
    const options = /** @type {[string, string][]} */ (Object.entries(names));
    const input = select(options, (value) => apply(/** @type {V} */ (value)));
    this.#inputs.set(name, input);
    return input;
  }

  /**
   * @param {string} name of a number of the attack, or `seed`
   * @param {Range} range
   * @param {number} step of the arrow keys
   */
  #number(name, range, step) {
    const input = h('input', { type: 'text', inputmode: range.whole ? 'numeric' : 'decimal', autocomplete: 'off', spellcheck: 'false' });
    const take = (/** @type {string} */ text) => {
      const value = Number(text.trim().replace(',', '.'));
      const valid = text.trim() !== '' && value >= range.least && value <= range.most && (!range.whole || Number.isInteger(value));
      input.setAttribute('aria-invalid', String(!valid));
      input.title = valid ? '' : `A ${range.whole ? 'whole ' : ''}number from ${range.least} to ${range.most}`;
      if (!valid) return;
      this.onChange((slot) => {
        if (name === 'seed') slot.seed = value;
        else Object.assign(slot.attack, { [name]: value });
      });
    };
    input.addEventListener('input', () => take(input.value));
    input.addEventListener('blur', () => {
      input.setAttribute('aria-invalid', 'false');
      this.show(this.#slot);
    });
    input.addEventListener('keydown', (event) => {
      const sign = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!sign) return;
      event.preventDefault();
      const value = Math.min(range.most, Math.max(range.least, Number((Number(input.value) + sign * step).toPrecision(6))));
      input.value = String(value);
      take(input.value);
    });
    this.#inputs.set(name, input);
    return input;
  }
}
