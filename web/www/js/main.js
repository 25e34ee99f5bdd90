import { Engine } from '../engine/engine.js';
import { announce, notify, report } from './announce.js';
import { BatchView } from './batch-view.js';
import { Bench } from './bench.js';
import { Digits, fromBytes } from './digits.js';
import { byId } from './dom.js';
import { LandscapeView } from './landscape-view.js';
import { LessonView } from './lesson-view.js';
import { keepForOffline } from './offline.js';
import { PairView } from './pair-view.js';
import { VIEWS, decode, defaults, encode } from './state.js';
import { Store } from './store.js';
import { startTheme } from './theme.js';

/** @import { NetworkCard } from '../engine/protocol.js' */
/** @import { Example } from './digits.js' */
/** @import { State } from './state.js' */
/**
 * @typedef {object} Page what every view works with
 * @property {Engine} engine
 * @property {Store} store
 * @property {NetworkCard[]} cards
 * @property {Digits} digits
 * @property {() => Example} example the digit chosen or drawn
 */

/** The address is rewritten so long after the last change, in milliseconds: browsers limit how often it may be. */
const SETTLED = 400;

/** Reads the address, starts the engine, builds the views. */
async function start() {
  const base = new URL('.', location.href);
  const opened = decode(location.hash, defaults());
  if (opened.problems.length > 0) refuse(opened.problems);
  const [engine, digits] = await Promise.all([Engine.start({ base }), Digits.load(base)]);
  const cards = await engine.networks();
  if (cards.length === 0) throw new Error('The folder networks/ lists no network: build the page again.');
  for (const warning of engine.warnings) notify(warning, 'note');
  byId('kernels').textContent = `${engine.kernels}, ${engine.workers} ${engine.workers === 1 ? 'worker' : 'workers'}`;
  const store = new Store(opened.state);
  const page = {
    engine,
    store,
    cards,
    digits,
    example: () => exampleOf(store.state, digits),
  };
  complete(store.state, page);
  byId('loading').remove();
  const bench = new Bench(page);
  const others = [new LandscapeView(page, bench), new PairView(page), new LessonView(page), new BatchView(page)];
  startTheme(() => [bench, ...others].forEach((view) => view.redraw()));
  follow(page);
  byId('share').addEventListener('click', () => share(store).catch(report));
  byId('skip').addEventListener('click', (event) => {
    // The fragment holds the state, so the link must not be followed.
    event.preventDefault();
    byId('content').focus();
  });
  // The first attack comes before the next visit: its weights are not to share the line.
  await Promise.allSettled(store.state.slots.map(({ network }) => engine.load(network)));
  await keepForOffline(base, engine.kernels);
}

/**
 * Fills in what depends on the folder's content, and corrects links that name what it does not hold.
 *
 * @param {State} state
 * @param {Page} page
 */
function complete(state, { cards, digits }) {
  const preferred = cards.find(({ id }) => id === 'madry_linf') ?? cards[0];
  for (const slot of state.slots) {
    if (slot.network && !cards.some(({ id }) => id === slot.network)) notify(`The link names the network “${slot.network}”, which is not here: ${preferred.title} stands in for it.`);
    if (!cards.some(({ id }) => id === slot.network)) slot.network = preferred.id;
  }
  if (state.digit >= 0 && !digits.places.has(state.digit)) notify(`The link names test digit ${state.digit}, which is not among the ${digits.count} here: the first one stands in for it.`);
  if (!digits.places.has(state.digit)) state.digit = digits.ids[digits.balanced(8)[7]];
  state.pair.index = Math.min(state.pair.index, Math.max(0, digits.pairs.length - 1));
}

/**
 * Keeps address, navigation and state together.
 *
 * @param {Page} page
 */
function follow({ store, ...rest }) {
  let timer = 0;
  /** @type {string | null} */
  let shown = null;
  const show = () => {
    const { view } = store.state;
    for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
    for (const link of document.querySelectorAll('nav.views a')) {
      if (link.getAttribute('data-view') === view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    if (shown !== null && shown !== view) announce(`View: ${view}`);
    shown = view;
    clearTimeout(timer);
    timer = window.setTimeout(() => history.replaceState(null, '', `#${encode(store.state)}`), SETTLED);
  };
  store.subscribe(show);
  // Where the browser was sent, not what the address says by now: `show` may have overwritten it in between.
  window.addEventListener('hashchange', ({ newURL }) => {
    const { state: linked, problems } = decode(new URL(newURL).hash, store.state);
    if (problems.length > 0) refuse(problems);
    const state = problems.length > 0 ? defaults() : linked;
    complete(state, { store, ...rest });
    store.replace(state);
  });
  show();
}

/** @param {string[]} problems */
function refuse(problems) {
  const listed = problems.slice(0, 3).join('; ');
  notify(`The link cannot be read (${listed}${problems.length > 3 ? `; ${problems.length - 3} more` : ''}). The page starts with its defaults.`);
}

/** @param {Store} store */
async function share(store) {
  const fragment = encode(store.state);
  history.replaceState(null, '', `#${fragment}`);
  try {
    await navigator.clipboard.writeText(location.href);
    announce('The link is copied.');
    notify('The link to all of this is copied.', 'note');
  } catch {
    notify('The browser does not allow copying. The address line holds the link to all of this.', 'note');
  }
}

/**
 * @param {State} state
 * @param {Digits} digits
 * @returns {Example}
 */
function exampleOf(state, digits) {
  if (state.drawn) return { pixels: fromBytes(state.drawn), bytes: state.drawn, label: state.label, id: null };
  const example = digits.example(state.digit);
  if (!example) throw new Error(`The page has no test digit ${state.digit}.`);
  return example;
}

start().catch((error) => {
  report(error);
  const loading = document.getElementById('loading');
  if (loading) loading.textContent = 'The page could not start.';
});
