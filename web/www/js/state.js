import { strong } from './presets.js';

/** @import { Settings } from './presets.js' */
/** @typedef {"attack"|"landscape"|"pair"|"lesson"|"batch"} View */
/** @typedef {{network: string, attack: Settings, seed: number}} Slot a network, what attacks it and the noise's seed */
/**
 * @typedef {object} State everything that a link carries
 * @property {View} view
 * @property {number} digit index of the test digit in MNIST's test set
 * @property {Uint8Array | null} drawn 784 grey values; when there are any they are attacked instead of the test digit
 * @property {number} label class of the drawn digit
 * @property {[Slot, Slot]} slots
 * @property {{slot: number, sigma: number, extent: number, samples: number, seed: number}} landscape
 * @property {{index: number, position: number}} pair position 0 is the first digit, 1 the second
 * @property {number} lesson step 1 to 5
 * @property {{count: number}} batch
 */

/** Fragments longer than this are refused unread: a full state with a drawing takes some 1,700 characters. */
const LONGEST = 8192;
const PIXELS = 784;
/** @type {View[]} */
export const VIEWS = ['attack', 'landscape', 'pair', 'lesson', 'batch'];

/** @returns {State} */
export function defaults() {
  return {
    view: 'attack',
    digit: -1,
    drawn: null,
    label: 0,
    slots: [
      { network: '', attack: strong('pgd', 'l2'), seed: 1 },
      { network: '', attack: strong('so', 'l2'), seed: 1 },
    ],
    landscape: { slot: 0, sigma: 0.2, extent: 2, samples: 16, seed: 1 },
    pair: { index: 0, position: 0.5 },
    lesson: 1,
    batch: { count: 50 },
  };
}

/** @typedef {{least: number, most: number, whole?: boolean}} Range */

/**
 * What each number of an attack may be; the forms use the same table.
 *
 * @type {Record<"epsilon"|"stepSize"|"steps"|"sigma"|"samples"|"momentum"|"startSigma", Range>}
 */
export const RANGES = {
  epsilon: { least: 0.001, most: 784 },
  stepSize: { least: 0, most: 1000 },
  steps: { least: 1, most: 2000, whole: true },
  sigma: { least: 0, most: 2 },
  samples: { least: 1, most: 100, whole: true },
  momentum: { least: 0, most: 1 },
  startSigma: { least: 0, most: 2 },
};
/** @type {Range} */
export const SEEDS = { least: 0, most: 4294967295, whole: true };
export const CHOICES = {
  kind: /** @type {const} */ (['fgsm', 'pgd', 'so', 'so_even', 'so_odd']),
  norm: /** @type {const} */ (['l2', 'linf', 'l1']),
  start: /** @type {const} */ (['natural', 'uniform', 'gaussian']),
  rule: /** @type {const} */ (['steepest', 'unit', 'sign', 'raw']),
  loss: /** @type {const} */ (['cross_entropy', 'cw_margin']),
};

/** @typedef {{write: (state: State) => string | null, read: (state: State, text: string) => void}} Field */

/**
 * @param {string} text
 * @param {Range} range
 */
function parseNumber(text, range) {
  if (!/^-?\d{1,12}(\.\d{1,12})?(e-?\d{1,2})?$/.test(text)) throw new Error('is not a number');
  const value = Number(text);
  if (!(value >= range.least && value <= range.most)) throw new Error(`is not from ${range.least} to ${range.most}`);
  if (range.whole && !Number.isInteger(value)) throw new Error('is not a whole number');
  return value;
}

/**
 * A field that holds a number.
 *
 * @template {string} K
 * @param {(state: State) => Record<K, number>} owner
 * @param {K} name
 * @param {Range} range
 * @returns {Field}
 */
function numeric(owner, name, range) {
  return {
    write: (state) => String(owner(state)[name]),
    read: (state, text) => {
      owner(state)[name] = parseNumber(text, range);
    },
  };
}

/**
 * A field that holds one of some words.
 *
 * @template {string} K
 * @template {string} V
 * @param {(state: State) => Record<K, V>} owner
 * @param {K} name
 * @param {readonly V[]} choices
 * @returns {Field}
 */
function worded(owner, name, choices) {
  return {
    write: (state) => owner(state)[name],
    read: (state, text) => {
      const choice = choices.find((word) => word === text);
      if (choice === undefined) throw new Error(`is none of ${choices.join(', ')}`);
      owner(state)[name] = choice;
    },
  };
}

/** @type {Map<string, Field>} */
const FIELDS = new Map([
  ['view', worded((state) => state, 'view', VIEWS)],
  ['lesson', numeric((state) => state, 'lesson', { least: 1, most: 5, whole: true })],
  ['digit', numeric((state) => state, 'digit', { least: 0, most: 9999, whole: true })],
  [
    'drawn',
    {
      write: (state) => state.drawn && toText(state.drawn),
      read: (state, text) => {
        state.drawn = fromText(text);
      },
    },
  ],
  ['label', numeric((state) => state, 'label', { least: 0, most: 9, whole: true })],
  ...slotFields('a', 0),
  ...slotFields('b', 1),
  ['landscape.slot', numeric((state) => state.landscape, 'slot', { least: 0, most: 1, whole: true })],
  ['landscape.sigma', numeric((state) => state.landscape, 'sigma', { least: 0, most: 0.5 })],
  ['landscape.extent', numeric((state) => state.landscape, 'extent', { least: 0.5, most: 8 })],
  ['landscape.samples', numeric((state) => state.landscape, 'samples', { least: 1, most: 64, whole: true })],
  ['landscape.seed', numeric((state) => state.landscape, 'seed', SEEDS)],
  ['pair', numeric((state) => state.pair, 'index', { least: 0, most: 99, whole: true })],
  ['position', numeric((state) => state.pair, 'position', { least: 0, most: 1 })],
  ['count', numeric((state) => state.batch, 'count', { least: 10, most: 200, whole: true })],
]);

/**
 * @param {string} prefix
 * @param {0 | 1} index
 * @returns {[string, Field][]}
 */
function slotFields(prefix, index) {
  /** @param {State} state */
  const attack = (state) => state.slots[index].attack;
  /** @type {Field} */
  const network = {
    write: (state) => state.slots[index].network || null,
    read: (state, text) => {
      if (!/^[a-z0-9_.-]{1,64}$/i.test(text)) throw new Error('is no name of a network');
      state.slots[index].network = text;
    },
  };
  return [
    [`${prefix}.network`, network],
    [`${prefix}.seed`, numeric((state) => state.slots[index], 'seed', SEEDS)],
    ...Object.entries(CHOICES).map(
      ([name, choices]) =>
        /** @type {[string, Field]} */ ([
          `${prefix}.${name}`,
          worded((state) => /** @type {Record<string, string>} */ (/** @type {unknown} */ (attack(state))), name, choices),
        ]),
    ),
    ...Object.entries(RANGES).map(
      ([name, range]) =>
        /** @type {[string, Field]} */ ([
          `${prefix}.${name}`,
          numeric((state) => /** @type {Record<string, number>} */ (/** @type {unknown} */ (attack(state))), name, range),
        ]),
    ),
  ];
}

/**
 * The whole state as the text after a link's `#`.
 *
 * @param {State} state
 */
export function encode(state) {
  const parts = [];
  for (const [key, field] of FIELDS) {
    if ((key === 'lesson') !== (state.view === 'lesson') && (key === 'lesson' || key === 'view')) continue;
    if (key === 'digit' && state.digit < 0) continue;
    if ((key === 'drawn' || key === 'label') && !state.drawn) continue;
    const text = field.write(state);
    if (text !== null) parts.push(`${key}=${encodeURIComponent(text)}`);
  }
  return parts.join('&');
}

/**
 * The state of a link. Every key, word and number is checked; one that is wrong refuses the whole fragment, since half
 * of somebody's settings would be an experiment that nobody meant.
 *
 * @param {string} fragment with or without `#`
 * @param {State} base gives what the fragment leaves out
 * @returns {{state: State, problems: string[]}} `base` itself when there are problems
 */
export function decode(fragment, base) {
  const text = fragment.replace(/^#/, '');
  if (text === '') return { state: base, problems: [] };
  if (text.length > LONGEST) return { state: base, problems: [`the link is longer than ${LONGEST} characters`] };
  const state = structuredClone(base);
  const problems = [];
  const seen = new Set();
  if (!/(^|&)drawn=/.test(text) && /(^|&)digit=/.test(text)) state.drawn = null;
  for (const part of text.split('&')) {
    const cut = part.indexOf('=');
    const key = cut < 0 ? part : part.slice(0, cut);
    const field = FIELDS.get(key);
    if (!field || seen.has(key)) {
      problems.push(`${field ? 'twice' : 'unknown'}: “${shortened(key)}”`);
      continue;
    }
    seen.add(key);
    try {
      field.read(state, decodeURIComponent(cut < 0 ? '' : part.slice(cut + 1)));
    } catch (error) {
      problems.push(`${key} ${error instanceof URIError ? 'is not text' : /** @type {Error} */ (error).message}`);
    }
  }
  if (seen.has('lesson')) state.view = 'lesson';
  return problems.length > 0 ? { state: base, problems } : { state, problems };
}

/** @param {string} text */
function shortened(text) {
  return text.length > 24 ? `${text.slice(0, 24)}…` : text;
}

/** @param {Uint8Array} bytes */
function toText(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @param {string} text */
function fromText(text) {
  if (!/^[A-Za-z0-9_-]{1046}$/.test(text)) throw new Error('is no drawing of 784 pixels');
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (bytes.length !== PIXELS) throw new Error('is no drawing of 784 pixels');
  return bytes;
}
