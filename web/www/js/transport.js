import { h } from './dom.js';

/** @import { Phase } from './duel.js' */
/** @import { Recording } from './recording.js' */
/**
 * @typedef {object} Actions
 * @property {(paused: boolean) => void} start
 * @property {() => void} pause
 * @property {() => void} resume
 * @property {() => void} step
 * @property {() => void} cancel
 * @property {() => void} seek another moment of the replay was chosen
 */

/** Run, pause, step, cancel, and a slider over what has been recorded. */
export class Transport {
  /** @type {Phase} */
  #phase = 'idle';
  /** @type {number[]} moments of the replay, in passes */
  #moments = [0];
  /** Whether the newest step is shown. */
  live = true;
  #run = h('button', { type: 'button', class: 'primary', onclick: () => this.#toggle() }, 'Run both');
  #step = h('button', { type: 'button', onclick: () => this.#single() }, 'Step');
  #cancel = h('button', { type: 'button', onclick: () => this.actions.cancel() }, 'Cancel');
  #slider = h('input', { type: 'range', min: '0', max: '0', value: '0', step: '1', 'aria-label': 'Replay: moment in passes' });
  #output = h('output', {}, '0 passes');

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.#slider.addEventListener('input', () => {
      const last = this.#moments.length - 1;
      this.live = Number(this.#slider.value) >= last;
      actions.seek();
    });
    this.element = h(
      'div',
      { class: 'transport', role: 'group', 'aria-label': 'Run and replay' },
      h('div', { class: 'buttons' }, this.#run, this.#step, this.#cancel),
      this.#slider,
      this.#output,
    );
    this.phase('idle');
  }

  /** @param {Phase} phase */
  phase(phase) {
    this.#phase = phase;
    this.#run.textContent = { loading: 'Loading …', running: 'Pause', paused: 'Go on' }[/** @type {string} */ (phase)] ?? (phase === 'idle' ? 'Run both' : 'Run again');
    this.#run.disabled = phase === 'loading';
    this.#step.disabled = phase === 'running' || phase === 'loading';
    this.#cancel.disabled = phase !== 'running' && phase !== 'paused' && phase !== 'loading';
    if (phase === 'loading' || phase === 'idle') this.live = true;
  }

  /**
   * Takes on the moments of the recordings.
   *
   * @param {(Recording | null)[]} recordings
   * @returns {number} the moment to show, in passes
   */
  follow(recordings) {
    const before = this.#moments[Number(this.#slider.value)] ?? 0;
    const moments = new Set([0]);
    for (const recording of recordings) for (const frame of recording?.frames ?? []) moments.add(frame.passes);
    this.#moments = [...moments].sort((a, b) => a - b);
    const last = this.#moments.length - 1;
    let place = last;
    if (!this.live) {
      place = this.#moments.findIndex((moment) => moment >= before);
      if (place < 0) place = last;
    }
    this.#slider.max = String(last);
    this.#slider.value = String(place);
    this.#slider.disabled = last === 0;
    const shown = this.#moments[place];
    const text = `${shown.toLocaleString('en')} passes`;
    this.#output.textContent = text;
    this.#slider.setAttribute('aria-valuetext', text);
    return shown;
  }

  #toggle() {
    if (this.#phase === 'running') this.actions.pause();
    else if (this.#phase === 'paused') this.actions.resume();
    else this.actions.start(false);
  }

  #single() {
    if (this.#phase === 'paused') this.actions.step();
    else this.actions.start(true);
  }
}
