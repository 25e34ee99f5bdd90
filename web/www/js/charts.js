import { themeColour } from './colours.js';
import { figure, h, soon } from './dom.js';

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {string} colour custom property of the style sheet
 * @property {ArrayLike<number>} xs
 * @property {ArrayLike<number>} ys
 * @property {{low: number[], high: number[]}} [band]
 * @property {boolean} [dashed]
 */
/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {string} [unit] what the horizontal axis counts
 * @property {boolean} [logarithmic]
 * @property {[number, number]} [range] of the vertical axis, when it is fixed
 * @property {boolean} [percent]
 */

const MARGIN = { left: 44, right: 10, top: 8, bottom: 20 };

/** A chart of a few lines over one axis, drawn on a canvas: at most once a frame, and little enough for that. */
export class LineChart {
  /** @type {Line[]} */
  #lines = [];
  /** @type {{at: number, name: string}[]} */
  #levels = [];
  /** @type {number | null} */
  #cursor = null;
  #canvas;
  #size = { width: 0, height: 0 };
  #font = '11px sans-serif';
  #unit = h('span', { class: 'unit' });
  #legend = h('span', { class: 'legend' });
  #render = () => this.#paint();

  /** @param {ChartOptions} options */
  constructor(options) {
    this.options = options;
    this.#canvas = h('canvas', { role: 'img', 'aria-label': `${options.title}: nothing yet` });
    this.element = h(
      'figure',
      { class: 'chart' },
      h('figcaption', {}, options.title, this.#unit, this.#legend),
      h('div', { class: 'chart-area' }, this.#canvas),
    );
    this.unit(options.unit ?? '');
    new ResizeObserver(([entry]) => {
      // Kept, since asking for it at each picture would make the browser lay the page out at once.
      this.#size = entry.contentRect;
      this.#font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
      soon(this.#render);
    }).observe(this.#canvas);
  }

  /** @param {string} name of what the horizontal axis counts */
  unit(name) {
    this.#unit.textContent = name && ` over ${name}`;
  }

  /**
   * @param {Line[]} lines
   * @param {{levels?: {at: number, name: string}[], cursor?: number | null}} [marks]
   */
  draw(lines, marks = {}) {
    const names = lines.map(({ name }) => name).join();
    if (names !== this.#lines.map(({ name }) => name).join()) {
      this.#legend.replaceChildren(...lines.map(({ name, colour }) => h('span', { class: `key ${colour.slice(2)}` }, name)));
    }
    this.#lines = lines;
    this.#levels = marks.levels ?? [];
    this.#cursor = marks.cursor ?? null;
    soon(this.#render);
  }

  /** Tells screen readers where the lines ended; not at every step. */
  describe() {
    const ends = this.#lines
      .filter((line) => line.ys.length > 0)
      .map((line) => `${line.name} from ${this.#text(line.ys[0])} to ${this.#text(line.ys[line.ys.length - 1])}`);
    this.#canvas.setAttribute('aria-label', `${this.options.title}: ${ends.join('; ') || 'nothing yet'}`);
  }

  /** @param {number} value */
  #text(value) {
    return this.options.percent ? `${Math.round(100 * value)} %` : figure(value);
  }

  #paint() {
    const { width, height } = this.#size;
    const context = this.#canvas.getContext('2d');
    if (!context || width === 0) return;
    const ratio = Math.min(3, devicePixelRatio || 1);
    const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== columns || this.#canvas.height !== rows) Object.assign(this.#canvas, { width: columns, height: rows });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = this.#font;
    const [low, high] = this.options.range ?? extentOf(this.#lines, this.#levels, this.options.logarithmic ?? false);
    let last = 0;
    for (const line of this.#lines) if (line.xs.length) last = Math.max(last, line.xs[line.xs.length - 1]);
    last ||= 1;
    const first = Math.min(0, ...this.#lines.map((line) => (line.xs.length ? line.xs[0] : 0)));
    const map = this.options.logarithmic ? Math.log10 : (/** @type {number} */ value) => value;
    const across = (/** @type {number} */ x) =>
      MARGIN.left + ((x - first) / (last - first)) * (width - MARGIN.left - MARGIN.right);
    const down = (/** @type {number} */ y) =>
      height - MARGIN.bottom - ((map(Math.max(y, this.options.logarithmic ? low : -Infinity)) - map(low)) / (map(high) - map(low))) * (height - MARGIN.top - MARGIN.bottom);
    this.#axes(context, { width, height, low, high, first, last, across, down });
    for (const line of this.#lines) stroke(context, line, across, down);
    if (this.#cursor !== null && this.#cursor <= last) {
      context.strokeStyle = themeColour('--ink');
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(across(this.#cursor), MARGIN.top);
      context.lineTo(across(this.#cursor), height - MARGIN.bottom);
      context.stroke();
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{width: number, height: number, low: number, high: number, first: number, last: number, across: (x: number) => number, down: (y: number) => number}} frame
   */
  #axes(context, { width, height, low, high, first, last, across, down }) {
    context.lineWidth = 1;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    const heights = this.options.logarithmic ? decades(low, high) : ticks(low, high, Math.max(2, Math.floor(height / 36)));
    for (const at of heights) {
      context.strokeStyle = themeColour('--line');
      context.beginPath();
      context.moveTo(MARGIN.left, Math.round(down(at)) + 0.5);
      context.lineTo(width - MARGIN.right, Math.round(down(at)) + 0.5);
      context.stroke();
      context.fillStyle = themeColour('--muted');
      context.fillText(this.options.logarithmic ? power(at) : this.options.percent ? `${Math.round(100 * at)} %` : short(at), MARGIN.left - 6, down(at));
    }
    context.textAlign = 'center';
    context.textBaseline = 'alphabetic';
    for (const at of ticks(first, last, Math.max(2, Math.floor(width / 70)))) context.fillText(short(at), across(at), height - 5);
    for (const level of this.#levels) {
      context.strokeStyle = themeColour('--muted');
      context.setLineDash([2, 3]);
      context.beginPath();
      context.moveTo(MARGIN.left, down(level.at));
      context.lineTo(width - MARGIN.right, down(level.at));
      context.stroke();
      context.setLineDash([]);
      context.textAlign = 'right';
      context.fillText(level.name, width - MARGIN.right, down(level.at) - 4);
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Line} line
 * @param {(x: number) => number} across
 * @param {(y: number) => number} down
 */
function stroke(context, line, across, down) {
  const colour = themeColour(line.colour);
  if (line.band) {
    context.fillStyle = colour;
    context.globalAlpha = 0.15;
    context.beginPath();
    for (let k = 0; k < line.xs.length; k++) context.lineTo(across(line.xs[k]), down(line.band.high[k]));
    for (let k = line.xs.length - 1; k >= 0; k--) context.lineTo(across(line.xs[k]), down(line.band.low[k]));
    context.fill();
    context.globalAlpha = 1;
  }
  context.strokeStyle = colour;
  context.lineWidth = 1.75;
  context.lineJoin = 'round';
  context.setLineDash(line.dashed ? [5, 3] : []);
  context.beginPath();
  for (let k = 0; k < line.xs.length; k++) context.lineTo(across(line.xs[k]), down(line.ys[k]));
  context.stroke();
  context.setLineDash([]);
}

/**
 * @param {Line[]} lines
 * @param {{at: number}[]} levels
 * @param {boolean} logarithmic
 * @returns {[number, number]}
 */
function extentOf(lines, levels, logarithmic) {
  let low = Infinity;
  let high = -Infinity;
  for (const line of lines) {
    for (let k = 0; k < line.ys.length; k++) {
      if (!(line.ys[k] > 0) && logarithmic) continue;
      low = Math.min(low, line.ys[k]);
      high = Math.max(high, line.ys[k]);
    }
  }
  for (const { at } of levels) high = Math.max(high, at * 1.08);
  if (!(high > -Infinity)) return logarithmic ? [0.001, 10] : [0, 1];
  if (logarithmic) {
    const bottom = 10 ** Math.floor(Math.log10(Math.min(low, high / 10)));
    return [Math.max(bottom, 1e-12), 10 ** Math.ceil(Math.log10(high) + 1e-9)];
  }
  return [Math.min(0, low), high > Math.min(0, low) ? high : Math.min(0, low) + 1];
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
function ticks(low, high, most) {
  const rough = (high - low) / most;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((size) => size >= rough) ?? rough;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + 1e-9 * step; at++) found.push(at * step);
  return found;
}

/**
 * @param {number} low
 * @param {number} high
 */
function decades(low, high) {
  const first = Math.round(Math.log10(low));
  const last = Math.round(Math.log10(high));
  const step = Math.ceil((last - first) / 5) || 1;
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, k) => 10 ** (first + k * step));
}

/** @param {number} value */
function power(value) {
  const exponent = Math.round(Math.log10(value));
  if (exponent >= -2 && exponent <= 3) return String(Number(value.toPrecision(1)));
  return `10${String(exponent).replace(/[-\d]/g, (sign) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(sign)])}`;
}

/** @param {number} value */
function short(value) {
  return String(Number(value.toPrecision(6))).replace('-', '−');
}
