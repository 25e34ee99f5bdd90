import { nextSlot } from './lockstep.js';
import { Recording } from './recording.js';

/** @import { AttackRun, Engine } from '../engine/engine.js' */
/** @import { Example } from './digits.js' */
/** @import { Slot } from './state.js' */
/** @typedef {"idle" | "loading" | "running" | "paused" | "done" | "cancelled"} Phase */

/**
 * Two attacks on one digit at equal passes. Holds at most one run and one recording a slot: the older ones are closed
 * and dropped when new ones begin.
 */
export class Duel {
  /** @type {Phase} */
  phase = 'idle';
  /** @type {(Recording | null)[]} */
  recordings = [null, null];
  /** @type {Example | null} */
  example = null;
  /** @type {(Slot | null)[]} */
  slots = [null, null];
  /** @type {(AttackRun | null)[]} */
  #runs = [null, null];
  /** @type {boolean[]} */
  #over = [true, true];
  /** Counts beginnings, so that a loop that was left behind knows it. */
  #turn = 0;
  /** Counts loops: an older one ends when a newer one begins. */
  #loops = 0;
  /** @type {Promise<void> | null} the step under way */
  #step = null;

  /**
   * @param {Engine} engine
   * @param {(change: "step" | "phase") => void} onChange
   */
  constructor(engine, onChange) {
    this.engine = engine;
    this.onChange = onChange;
  }

  /**
   * Begins anew. Networks are loaded first.
   *
   * @param {Example} example
   * @param {Slot[]} slots
   * @param {boolean} paused whether to wait for `step`
   */
  async start(example, slots, paused = false) {
    this.reset();
    const turn = this.#turn;
    this.example = example;
    this.slots = structuredClone(slots);
    this.#enter('loading');
    try {
      for (const [index, slot] of slots.entries()) {
        await this.engine.load(slot.network);
        if (turn !== this.#turn) return;
        const run = await this.engine.attack({
          network: slot.network,
          attack: { ...slot.attack },
          pixels: Float32Array.from(example.pixels),
          labels: Uint8Array.of(example.label),
          ids: [example.id ?? 0],
          seed: slot.seed,
        });
        if (turn !== this.#turn) {
          run.close().catch(() => {});
          return;
        }
        this.#runs[index] = run;
        this.recordings[index] = new Recording(this.slots[index]?.attack ?? slot.attack, example.pixels);
        this.#over[index] = false;
      }
      this.#enter(paused ? 'paused' : 'running');
      if (paused) await this.#once(turn);
      else await this.#loop(turn);
    } catch (error) {
      if (turn === this.#turn) this.cancel();
      throw error;
    }
  }

  pause() {
    if (this.phase === 'running') this.#enter('paused');
  }

  async resume() {
    if (this.phase !== 'paused') return;
    this.#enter('running');
    await this.#loop(this.#turn);
  }

  /** One step of whichever slot is behind. */
  async step() {
    if (this.phase === 'paused') await this.#once(this.#turn);
  }

  /** Ends the runs; what they have done so far stays to be looked at. */
  cancel() {
    if (this.phase === 'idle' || this.phase === 'done' || this.phase === 'cancelled') return;
    this.#close();
    this.#enter('cancelled');
  }

  /** Ends the runs and forgets what they have done. */
  reset() {
    this.#close();
    this.recordings = [null, null];
    this.example = null;
    this.#enter('idle');
  }

  #close() {
    this.#turn++;
    for (const run of this.#runs) {
      run?.cancel();
      run?.close().catch(() => {});
    }
    this.#runs = [null, null];
    this.#over = [true, true];
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.onChange('phase');
  }

  /** @param {number} turn */
  async #loop(turn) {
    const mine = ++this.#loops;
    await this.#step?.catch(() => {});
    while (turn === this.#turn && mine === this.#loops && this.phase === 'running') await this.#once(turn);
  }

  /**
   * One step of the slot that is behind; nothing while another step is under way.
   *
   * @param {number} turn
   */
  async #once(turn) {
    if (this.#step) return;
    this.#step = this.#advance(turn);
    try {
      await this.#step;
    } catch (error) {
      if (turn === this.#turn) this.cancel();
      throw error;
    } finally {
      this.#step = null;
    }
  }

  /** @param {number} turn */
  async #advance(turn) {
    const next = nextSlot(this.#runs.map((run, index) => run && { passes: this.recordings[index]?.newest?.passes ?? 0, over: this.#over[index] }));
    const report = await this.#runs[next]?.step();
    if (turn !== this.#turn) return;
    if (report) this.recordings[next]?.add(report);
    if (next >= 0) this.#over[next] = !report || report.step >= report.steps;
    this.onChange('step');
    if (this.#over.every(Boolean)) {
      this.#close();
      this.#enter('done');
    }
  }
}
