import { isDark, signed } from './colours.js';
import { SIDE } from './centring.js';
import { h, percent } from './dom.js';
import { paint, paintDigit } from './pixels.js';
import { KIND_NAMES, NORM_NAMES, usesNoise } from './presets.js';
import { softmax } from './statistics.js';

/** @import { AttackSettings, NetworkCard } from '../engine/protocol.js' */
/** @import { Duel } from './duel.js' */
/** @import { Page } from './main.js' */

/**
 * What `saddle attack --replay FILE` runs again: one attack on one digit, and what came of it here.
 *
 * @typedef {object} Export
 * @property {1} saddle version of this schema
 * @property {{id: string, file: string, sha256: string}} network
 * @property {{id: number | null, pixels: string, label: number}} example `id` is the index in MNIST's test set, null for
 *   a drawing, whose noise is that of index 0; `pixels` is base64 of 784 bytes, row by row, each 255 times a pixel
 * @property {AttackSettings} attack
 * @property {number} seed
 * @property {{steps: number, passes: number, prediction: number, fooled: boolean, l2: number, linf: number, losses: number[]}} measured
 *   `steps` taken, of the last one its judgement, of each one (the start is the first) its loss
 */

/**
 * @param {Page} page
 * @param {Duel} duel
 * @param {number} index of the slot
 * @returns {Export}
 */
export function toExport(page, duel, index) {
  const recording = duel.recordings[index];
  const slot = duel.slots[index];
  const frame = recording?.newest;
  const card = page.cards.find(({ id }) => id === slot?.network);
  if (!recording || !slot || !frame || !card || !duel.example) throw new Error('Run the attack first: there is nothing to export yet.');
  const { bytes, id, label } = duel.example;
  return {
    saddle: 1,
    network: { id: card.id, file: card.file, sha256: card.sha256 },
    example: { id, pixels: btoa(String.fromCharCode(...bytes)), label },
    attack: { ...slot.attack },
    seed: slot.seed,
    measured: {
      steps: frame.step,
      passes: frame.passes,
      prediction: frame.prediction,
      fooled: frame.fooled,
      l2: frame.l2,
      linf: frame.linf,
      losses: recording.losses.slice(),
    },
  };
}

/**
 * Hands the visitor a slot's attack as a file.
 *
 * @param {Page} page
 * @param {Duel} duel
 * @param {number} index
 */
export async function exportJson(page, duel, index) {
  const text = `${JSON.stringify(toExport(page, duel, index), null, 2)}\n`;
  save(new Blob([text], { type: 'application/json' }), `saddle-${'ab'[index]}.json`);
}

const CELL = 224;
const GAP = 24;
const HEAD = 64;
const ROW = HEAD + CELL + GAP;

/**
 * Hands the visitor a picture of both slots: digit, perturbation, adversarial digit, and what the networks say.
 *
 * @param {Duel} duel
 * @param {NetworkCard[]} cards
 */
export async function exportPicture(duel, cards) {
  const { example } = duel;
  const slots = [0, 1].filter((index) => duel.recordings[index]?.newest);
  if (!example || slots.length === 0) throw new Error('Run the attack first: there is nothing to export yet.');
  const width = 4 * CELL + 5 * GAP;
  const canvas = h('canvas', { width, height: slots.length * ROW + GAP + 24 });
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser gives no canvas to draw the picture on.');
  const dark = isDark();
  context.fillStyle = dark ? '#15171a' : '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  slots.forEach((index, row) => {
    const recording = duel.recordings[index];
    const frame = recording?.newest;
    const slot = duel.slots[index];
    if (!recording || !frame || !slot) return;
    const top = GAP + row * ROW;
    const { kind, norm, epsilon, steps, samples, sigma } = slot.attack;
    const title = cards.find(({ id }) => id === slot.network)?.title ?? slot.network;
    context.fillStyle = dark ? '#eceae4' : '#1a1c1f';
    context.font = '600 18px system-ui, sans-serif';
    context.fillText(`${'AB'[index]}  ${title}: ${KIND_NAMES[kind]}, ${NORM_NAMES[norm]} ${epsilon}, ${steps} steps${usesNoise(kind) ? ` of ${samples}, σ ${sigma}` : ''}`, GAP, top + 16, width - 2 * GAP);
    context.font = '15px system-ui, sans-serif';
    const probabilities = softmax(frame.logits);
    const said = `${frame.fooled ? 'Fooled' : 'Not fooled'}: says ${frame.prediction} with ${percent(probabilities[frame.prediction])}, a ${example.label}; l2 ${frame.l2.toFixed(3)}, l∞ ${frame.linf.toFixed(3)}; ${frame.passes} passes`;
    context.fillText(said, GAP, top + 42, width - 2 * GAP);
    const small = h('canvas', { width: SIDE, height: SIDE });
    let largest = 0;
    frame.image.forEach((pixel, at) => (largest = Math.max(largest, Math.abs(pixel - example.pixels[at]))));
    const paints = [
      () => paintDigit(small, example.pixels),
      () => paint(small, SIDE, (at) => signed((frame.image[at] - example.pixels[at]) / (largest || 1), dark)),
      () => paintDigit(small, frame.image),
    ];
    paints.forEach((painting, column) => {
      painting();
      context.drawImage(small, GAP + column * (CELL + GAP), top + HEAD, CELL, CELL);
    });
    bars(context, probabilities, 3 * (CELL + GAP) + GAP, top + HEAD, example.label, dark);
  });
  context.fillStyle = dark ? '#a4a39d' : '#5d5f62';
  context.font = '13px system-ui, sans-serif';
  context.fillText(`Saddle. ${example.id === null ? 'A drawn digit' : `MNIST test digit ${example.id}`}; seeds ${slots.map((index) => duel.slots[index]?.seed).join(', ')}. A failed attack is no proof of robustness.`, GAP, canvas.height - 16, width - 2 * GAP);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!(blob instanceof Blob)) throw new Error('This browser could not make a PNG of the picture.');
  save(blob, 'saddle.png');
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} probabilities
 * @param {number} left
 * @param {number} top
 * @param {number} label
 * @param {boolean} dark
 */
function bars(context, probabilities, left, top, label, dark) {
  const pitch = CELL / 10;
  probabilities.forEach((probability, digit) => {
    const middle = top + (digit + 0.5) * pitch;
    context.fillStyle = dark ? '#eceae4' : '#1a1c1f';
    context.fillText(String(digit), left, middle + 5);
    const colour = digit === label ? (dark ? '#62b0f2' : '#1b5fa5') : dark ? '#f4805f' : '#b3341f';
    context.fillStyle = colour;
    context.fillRect(left + 20, middle - 7, Math.max(1, probability * (CELL - 80)), 14);
    context.fillStyle = dark ? '#eceae4' : '#1a1c1f';
    context.fillText(percent(probability), left + 26 + probability * (CELL - 80), middle + 5);
  });
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
