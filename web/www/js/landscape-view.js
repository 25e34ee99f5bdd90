import { report } from './announce.js';
import { LineChart } from './charts.js';
import { rising } from './colours.js';
import { contour } from './contour.js';
import { byId, figure, h, labelled, select, soon } from './dom.js';
import { digitCanvas, paint, paintDigit } from './pixels.js';

/** @import { LandscapeReport } from '../engine/protocol.js' */
/** @import { Bench } from './bench.js' */
/** @import { Page } from './main.js' */

/** A rough map comes first, so that a slider answers at once; finer ones follow when the hand rests. */
const STAGES = [
  { resolution: 9, samples: 4 },
  { resolution: 17, samples: 8 },
  { resolution: 25, samples: 64 },
];
const LEVELS = 9;
/** Side of a map's picture; contours are drawn on it, colours below it as grid cells. */
const SIDE = 320;
/** Colours tell losses by their logarithm, down to so many decades below the largest: a saturated loss is small, not flat. */
const DECADES = 8;

/** @typedef {{landscape: LandscapeReport, resolution: number, extent: number, axis: string}} Shown */

/** The loss on a plane through the digit, as it is and averaged over Gaussian noise: what S-O's gradient belongs to. */
export class LandscapeView {
  #maps = [this.#map('The loss'), this.#map('The loss, averaged over noise')];
  #scale = h('canvas', { width: 100, height: 1, class: 'scale', 'aria-hidden': 'true' });
  #ends = [h('span'), h('span')];
  #facts = h('p', { class: 'facts', role: 'status' });
  #digit = digitCanvas('The digit in the middle of the maps', 'digit small');
  #chart = new LineChart({ title: 'Through the digit, from left to right', unit: 'l2 distance' });
  #sigma = h('input', { type: 'range', min: '0', max: '0.5', step: '0.01' });
  #extent = h('input', { type: 'range', min: '0.5', max: '8', step: '0.5' });
  #outputs = { sigma: h('output'), extent: h('output') };
  /** @type {Shown | null} */
  #shown = null;
  #asked = '';
  /** Stage that is being computed, or -1. */
  #stage = -1;
  /** Counts beginnings, so that an older one leaves the stage alone. */
  #turn = 0;
  #render = () => this.#draw();

  /**
   * @param {Page} page
   * @param {Bench} bench
   */
  constructor(page, bench) {
    this.page = page;
    this.bench = bench;
    const { store } = page;
    this.slot = select([['0', 'slot A'], ['1', 'slot B']], (value) => store.update((state) => (state.landscape.slot = Number(value))));
    this.direction = select([['gradient', 'gradient at the digit'], ['0', 'perturbation of slot A'], ['1', 'perturbation of slot B']], () => this.#ask());
    this.seed = select(Array.from({ length: 8 }, (_, seed) => [String(seed + 1), String(seed + 1)]), (value) => store.update((state) => (state.landscape.seed = Number(value))));
    this.#sigma.addEventListener('input', () => store.update((state) => (state.landscape.sigma = Number(this.#sigma.value))));
    this.#extent.addEventListener('input', () => store.update((state) => (state.landscape.extent = Number(this.#extent.value))));
    byId('view-landscape').append(
      h('h2', {}, 'The landscape that an attack climbs'),
      h(
        'p',
        { class: 'lead' },
        this.#digit,
        'Each map is a plane of images. Its middle is the digit; to the right goes the gradient of the loss (or what an attack has added), upwards a direction of random noise. PGD climbs the left map. S-O averages gradients over noise: it climbs the right one.',
      ),
      h(
        'form',
        { class: 'controls band eight' },
        labelled('Network of', this.slot),
        labelled('To the right', this.direction, 'wide'),
        h('div', { class: 'field wide' }, h('label', { for: 'landscape-sigma' }, 'Sigma of the noise ', this.#outputs.sigma), this.#sigma),
        h('div', { class: 'field wide' }, h('label', { for: 'landscape-extent' }, 'Half the width, l2 ', this.#outputs.extent), this.#extent),
        labelled('Noise', this.seed),
      ),
      h('div', { class: 'maps' }, ...this.#maps.map(({ element }) => element), this.#chart.element),
      h('div', { class: 'scale-row long' }, h('span', {}, 'Cross-entropy, logarithmic'), this.#ends[0], this.#scale, this.#ends[1]),
      this.#facts,
    );
    this.#sigma.id = 'landscape-sigma';
    this.#extent.id = 'landscape-extent';
    store.subscribe(() => this.#ask());
    this.#ask();
  }

  redraw() {
    soon(this.#render);
  }

  /** @param {string} title */
  #map(title) {
    const colours = h('canvas', { class: 'map-colours', 'aria-hidden': 'true' });
    const lines = h('canvas', { class: 'map-lines', width: 2 * SIDE, height: 2 * SIDE, role: 'img', 'aria-label': title });
    const axes = h('span', { class: 'unit' }, ' → gradient, ↑ noise');
    return { title, axes, colours, lines, element: h('figure', { class: 'map' }, h('figcaption', {}, title, axes), h('div', { class: 'map-frame' }, colours, lines)) };
  }

  /** Asks anew when the answer would be another, and only while the view is seen. */
  #ask() {
    const { state } = this.page.store;
    if (state.view !== 'landscape') return;
    const { landscape } = state;
    this.slot.value = String(landscape.slot);
    this.seed.value = String(landscape.seed);
    this.#sigma.value = String(landscape.sigma);
    this.#extent.value = String(landscape.extent);
    this.#outputs.sigma.textContent = landscape.sigma.toFixed(2);
    this.#outputs.extent.textContent = landscape.extent.toFixed(1);
    const example = this.page.example();
    const along = this.direction.value === 'gradient' ? null : this.bench.duel.recordings[Number(this.direction.value)]?.newest?.image;
    const asked = JSON.stringify([landscape, state.slots[landscape.slot].network, this.direction.value, along ? along.slice(0, 784).join() : '', example.label, example.bytes.join()]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    paintDigit(this.#digit, example.pixels);
    if (!this.#shown) this.#facts.textContent = 'Computing the maps …';
    // A rough map is let through, or a hand that keeps moving would never see one.
    if (this.#stage !== 0) this.#refresh(along).catch(report);
  }

  /** @param {Float32Array | null | undefined} along */
  async #refresh(along) {
    const turn = ++this.#turn;
    const asked = this.#asked;
    try {
      for (const [stage, { resolution, samples }] of STAGES.entries()) {
        this.#stage = stage;
        await this.#compute(resolution, Math.min(samples, this.page.store.state.landscape.samples), along);
        if (turn !== this.#turn) return;
        if (asked !== this.#asked) break;
      }
    } finally {
      if (turn === this.#turn) this.#stage = -1;
    }
    if (asked !== this.#asked) {
      this.#asked = '';
      this.#ask();
    }
  }

  /**
   * @param {number} resolution
   * @param {number} samples
   * @param {Float32Array | null | undefined} along
   */
  async #compute(resolution, samples, along) {
    const { engine, store } = this.page;
    const { slot, sigma, extent, seed } = store.state.landscape;
    const { network } = store.state.slots[slot];
    const example = this.page.example();
    await engine.load(network);
    const direction = along ? along.map((pixel, index) => pixel - example.pixels[index]) : undefined;
    const usable = direction?.some((value) => value !== 0) ? { direction } : {};
    const axis = usable.direction ? 'perturbation' : 'gradient';
    const landscape = await engine.landscape({ network, pixels: Float32Array.from(example.pixels), label: example.label, extent, resolution, sigma, samples, seed, ...usable });
    this.#shown = { landscape, resolution, extent, axis };
    soon(this.#render);
  }

  #draw() {
    if (!this.#shown) return;
    const { landscape, resolution, extent, axis } = this.#shown;
    const values = [landscape.plain, landscape.smoothed];
    let least = Infinity;
    let most = 0;
    for (const each of values) for (const value of each) [least, most] = [Math.min(least, value), Math.max(most, value)];
    const leastShown = Math.max(least, most * 10 ** -DECADES, Number.MIN_VALUE);
    const heights = values.map((all) => all.map((value) => Math.log10(Math.max(value, leastShown))));
    const low = Math.log10(leastShown);
    const span = Math.log10(Math.max(most, leastShown)) - low || 1;
    this.#maps.forEach(({ title, axes, colours, lines }, index) => {
      axes.textContent = landscape.flat && axis === 'gradient' ? ' → noise, ↑ noise' : ` → ${axis}, ↑ noise`;
      colours.width = colours.height = resolution;
      // Rows go upwards along the noise direction.
      paint(colours, resolution, (at) => rising((heights[index][(resolution - 1 - Math.floor(at / resolution)) * resolution + (at % resolution)] - low) / span));
      drawLines(lines, heights[index], resolution, low, span);
      lines.setAttribute('aria-label', `${title}: from ${figure(Math.min(...values[index]))} to ${figure(Math.max(...values[index]))}`);
    });
    const context = this.#scale.getContext('2d');
    for (let column = 0; context && column < 100; column++) {
      context.fillStyle = `rgb(${rising(column / 99).map(Math.round).join(' ')})`;
      context.fillRect(column, 0, 1, 1);
    }
    this.#ends[0].textContent = figure(leastShown);
    this.#ends[1].textContent = figure(most);
    const middle = Math.floor(resolution / 2);
    const xs = Array.from({ length: resolution }, (_, k) => extent * ((2 * k) / (resolution - 1) - 1));
    const cut = (/** @type {Float64Array} */ all) => Array.from(all.slice(middle * resolution, (middle + 1) * resolution));
    this.#chart.draw([
      { name: 'the loss', colour: '--a', xs, ys: cut(landscape.plain) },
      { name: 'averaged', colour: '--b', xs, ys: cut(landscape.smoothed) },
    ]);
    this.#chart.describe();
    const [plain, smoothed] = values.map((all) => slope(all, resolution, extent));
    this.#facts.textContent = `Slope at the digit, along the ${axis}: ${figure(plain)} on the loss, ${figure(smoothed)} averaged over noise${smoothed > 2 * plain && plain > 0 ? `, ${figure(smoothed / plain)} times as steep` : ''}.${landscape.flat && axis === 'gradient' ? ' The gradient at the digit is exactly zero: both axes are noise.' : ''}`;
  }
}

/**
 * Difference of the two neighbours of the middle along the first direction, by their distance.
 *
 * @param {Float64Array} values
 * @param {number} resolution
 * @param {number} extent
 */
function slope(values, resolution, extent) {
  const middle = Math.floor(resolution / 2) * resolution + Math.floor(resolution / 2);
  return (values[middle + 1] - values[middle - 1]) / ((4 * extent) / (resolution - 1));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Float64Array} values
 * @param {number} resolution
 * @param {number} low
 * @param {number} span
 */
function drawLines(canvas, values, resolution, low, span) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const cell = canvas.width / resolution;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = 1.5;
  context.strokeStyle = 'rgb(255 255 255 / 0.55)';
  context.beginPath();
  for (let k = 1; k < LEVELS; k++) {
    for (const [x1, y1, x2, y2] of contour(values, resolution, low + (span * k) / LEVELS)) {
      context.moveTo((x1 + 0.5) * cell, canvas.height - (y1 + 0.5) * cell);
      context.lineTo((x2 + 0.5) * cell, canvas.height - (y2 + 0.5) * cell);
    }
  }
  context.stroke();
  context.strokeStyle = '#fff';
  context.lineWidth = 3;
  context.beginPath();
  context.arc(canvas.width / 2, canvas.height / 2, 9, 0, 2 * Math.PI);
  context.stroke();
}
