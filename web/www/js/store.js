/** @import { State } from './state.js' */

/** The page's state and who wants to hear of changes. */
export class Store {
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {State} state */
  constructor(state) {
    this.state = state;
  }

  /** @param {() => void} listener */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  /** @param {(state: State) => void} change */
  update(change) {
    change(this.state);
    for (const listener of this.#listeners) listener();
  }

  /** @param {State} state */
  replace(state) {
    this.state = state;
    for (const listener of this.#listeners) listener();
  }
}
