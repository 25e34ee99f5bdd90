import { centreAsMnist } from './centring.js';
import { h, soon } from './dom.js';
import { digitCanvas, paintDigit } from './pixels.js';

/** Side of the pad's own picture; a pen of MNIST's weight is about a tenth of it. */
const PAD = 280;
const PEN = 24;
const ERASER = 44;
const STRIDE = 8;

/** A pad to draw a digit on with mouse, finger, pen or the arrow keys; hands on what MNIST would make of it. */
export class DrawingPad {
  #pad = h('canvas', {
    width: PAD,
    height: PAD,
    class: 'pad',
    tabindex: '0',
    role: 'application',
    'aria-roledescription': 'drawing pad',
    'aria-label': 'Drawing pad. Arrow keys move the pen, space lowers and lifts it, E is the eraser, Delete clears.',
  });
  #preview = digitCanvas('', 'digit small');
  #tool = 'pen';
  #down = false;
  #at = { x: PAD / 2, y: PAD / 4 };
  #buttons = /** @type {Record<string, HTMLButtonElement>} */ ({});
  #note = h('p', { class: 'hint', role: 'status' });

  /** @param {(bytes: Uint8Array) => void} onDigit called when a stroke has ended and there is ink */
  constructor(onDigit) {
    this.onDigit = onDigit;
    for (const [tool, name] of [['pen', 'Pen'], ['eraser', 'Eraser']]) {
      this.#buttons[tool] = h('button', { type: 'button', 'aria-pressed': tool === 'pen', onclick: () => this.#choose(tool) }, name);
    }
    this.#choose('pen');
    this.element = h(
      'div',
      { class: 'drawing' },
      h('div', { class: 'pad-frame' }, this.#pad, this.#preview),
      h('div', { class: 'buttons' }, this.#buttons.pen, this.#buttons.eraser, h('button', { type: 'button', onclick: () => this.clear() }, 'Clear')),
      this.#note,
    );
    this.#listen();
    this.clear();
  }

  clear() {
    const context = this.#context();
    context.globalCompositeOperation = 'source-over';
    context.fillStyle = '#000';
    context.fillRect(0, 0, PAD, PAD);
    paintDigit(this.#preview, new Float32Array(784));
    this.#note.textContent = 'Draw one digit; small is fine, it is scaled and centred.';
  }

  #context() {
    return /** @type {CanvasRenderingContext2D} */ (this.#pad.getContext('2d', { willReadFrequently: true }));
  }

  /** @param {string} tool */
  #choose(tool) {
    this.#tool = tool;
    for (const [name, button] of Object.entries(this.#buttons)) button.setAttribute('aria-pressed', String(name === tool));
  }

  #listen() {
    const pad = this.#pad;
    pad.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      pad.focus({ preventScroll: true });
      pad.setPointerCapture(event.pointerId);
      this.#down = true;
      this.#at = this.#place(event);
      this.#stroke(this.#at, event.button === 5);
    });
    pad.addEventListener('pointermove', (event) => {
      if (!pad.hasPointerCapture(event.pointerId)) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length > 0 ? events : [event]) this.#stroke(this.#place(each), (each.buttons & 32) !== 0);
    });
    const lift = () => {
      if (this.#down) soon(this.#finish);
      this.#down = false;
    };
    pad.addEventListener('pointerup', lift);
    pad.addEventListener('pointercancel', lift);
    pad.addEventListener('keydown', (event) => this.#key(event));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const moves = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });
    const move = moves[event.key];
    if (move) {
      const inside = (/** @type {number} */ value) => Math.min(PAD - PEN / 2, Math.max(PEN / 2, value));
      const to = { x: inside(this.#at.x + STRIDE * move[0]), y: inside(this.#at.y + STRIDE * move[1]) };
      if (this.#down) this.#stroke(to);
      this.#at = to;
    } else if (event.key === ' ') {
      this.#down = !this.#down;
      if (this.#down) this.#stroke(this.#at);
      else soon(this.#finish);
    } else if (event.key === 'e' || event.key === 'E') {
      this.#choose(this.#tool === 'pen' ? 'eraser' : 'pen');
    } else if (event.key === 'Delete') {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    const column = Math.round((100 * this.#at.x) / PAD);
    const row = Math.round((100 * this.#at.y) / PAD);
    this.#note.textContent = `${this.#tool === 'pen' ? 'Pen' : 'Eraser'} ${this.#down ? 'down' : 'up'} at ${column} % across, ${row} % down.`;
  }

  /**
   * @param {PointerEvent} event
   * @returns {{x: number, y: number}}
   */
  #place(event) {
    const box = this.#pad.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * PAD) / box.width, y: ((event.clientY - box.top) * PAD) / box.height };
  }

  /**
   * @param {{x: number, y: number}} to
   * @param {boolean} [erase] the pen's other end
   */
  #stroke(to, erase = false) {
    const context = this.#context();
    const eraser = erase || this.#tool === 'eraser';
    context.strokeStyle = eraser ? '#000' : '#fff';
    context.lineWidth = eraser ? ERASER : PEN;
    context.lineCap = context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(this.#at.x, this.#at.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
    this.#at = to;
  }

  #finish = () => {
    const { data } = this.#context().getImageData(0, 0, PAD, PAD);
    const ink = new Uint8Array(PAD * PAD);
    for (let index = 0; index < ink.length; index++) ink[index] = data[4 * index];
    const bytes = centreAsMnist(ink, PAD, PAD);
    if (!bytes) return;
    paintDigit(this.#preview, Float32Array.from(bytes, (byte) => byte / 255));
    this.#note.textContent = 'Centred by its mass, as MNIST does: that is what the network sees.';
    this.onDigit(bytes);
  };
}
