import { announce, report } from './announce.js';
import { fromBytes } from './digits.js';
import { byId, h, percent } from './dom.js';
import { STEPS } from './lesson-text.js';
import { digitCanvas, paintDigit } from './pixels.js';
import { wilsonInterval } from './statistics.js';

/** @import { Step } from './lesson-text.js' */
/** @import { Page } from './main.js' */

const PIXELS = 784;
const DIGITS = 10;

/** Five steps: predict, then see. Each is an experiment that runs here, not a picture of one. */
export class LessonView {
  /** @type {{section: HTMLElement, link: HTMLElement}[]} */
  #steps;
  #shown = 0;

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.#steps = STEPS.map((step, index) => ({
      section: this.#section(step, index),
      link: h('a', { href: `#lesson=${index + 1}` }, h('span', { class: 'letter' }, String(index + 1)), ` ${step.title}`),
    }));
    byId('view-lesson').append(
      h('nav', { class: 'lesson-steps', 'aria-label': 'Steps of the lesson' }, h('ol', {}, ...this.#steps.map(({ link }) => h('li', {}, link)))),
      h('div', { class: 'lesson-body' }, h('h2', { class: 'visually-hidden' }, 'A lesson in five steps'), ...this.#steps.map(({ section }) => section), h('button', { type: 'button', class: 'plain', onclick: () => window.print() }, 'Print all five steps')),
    );
    page.store.subscribe(() => this.#follow());
    this.#follow();
  }

  redraw() {}

  #follow() {
    const { view, lesson } = this.page.store.state;
    this.#steps.forEach(({ section, link }, index) => {
      section.hidden = index !== lesson - 1;
      if (index === lesson - 1) link.setAttribute('aria-current', 'step');
      else link.removeAttribute('aria-current');
    });
    if (view === 'lesson' && this.#shown !== 0 && this.#shown !== lesson) this.#steps[lesson - 1].section.querySelector('h3')?.focus();
    if (view === 'lesson') this.#shown = lesson;
  }

  /**
   * @param {Step} step
   * @param {number} index
   */
  #section(step, index) {
    const results = h('div', { class: 'results' });
    const explanation = h('div', { class: 'explanation', hidden: true }, ...step.explanation.map((text) => h('p', {}, text)));
    const button = h('button', { type: 'button', class: 'primary', disabled: true }, step.button);
    const note = h('p', { class: 'hint' }, 'Choose an answer first.');
    const answers = h(
      'fieldset',
      {},
      h('legend', {}, step.question),
      ...step.answers.map((answer, which) => h('label', { class: 'answer' }, h('input', { type: 'radio', name: `lesson-${index + 1}`, value: which }), answer)),
    );
    answers.addEventListener('change', () => {
      button.disabled = false;
      note.textContent = '';
    });
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        if (step.attacks.length > 0) await this.#experiment(step, results, note);
        else this.#pair(results);
        explanation.hidden = false;
        const chosen = answers.querySelector('input:checked');
        note.textContent = `You said: ${chosen?.parentElement?.textContent ?? ''}.`;
        announce('The result is shown.');
      } catch (error) {
        report(error);
      } finally {
        button.disabled = false;
      }
    });
    const next = index + 1 < STEPS.length ? h('a', { class: 'next', href: `#lesson=${index + 2}` }, `Next: ${STEPS[index + 1].title}`) : h('a', { class: 'next', href: '#view=attack' }, 'Go on by yourself, in the first view');
    return h(
      'section',
      { class: 'lesson-step', hidden: true },
      h('h3', { tabindex: '-1' }, `${index + 1}. ${step.title}`),
      ...step.text.map((text) => h('p', {}, text)),
      answers,
      h('div', { class: 'buttons' }, button, note),
      results,
      explanation,
      next,
    );
  }

  /**
   * Runs a step's attacks on ten digits, one of each class.
   *
   * @param {Step} step
   * @param {HTMLElement} results
   * @param {HTMLElement} note
   */
  async #experiment(step, results, note) {
    const { engine, digits, cards } = this.page;
    const card = cards.find(({ id }) => id === 'madry_linf') ?? cards[0];
    await engine.load(card.id, (loaded, total) => (note.textContent = `Loading ${card.title}: ${percent(loaded / total)}`));
    const places = digits.balanced(DIGITS);
    const pixels = new Float32Array(places.length * PIXELS);
    places.forEach((place, index) => pixels.set(fromBytes(digits.bytesAt(place)), index * PIXELS));
    results.replaceChildren();
    for (const { name, attack } of step.attacks) {
      const canvases = places.map(() => digitCanvas(''));
      const verdict = h('p', { class: 'facts' });
      const wall = h('div', { class: 'wall', role: 'img', 'aria-label': name }, ...canvases);
      results.append(h('section', { class: 'result' }, h('h4', {}, name), wall, verdict));
      const run = await engine.attack({ network: card.id, attack: { ...attack }, pixels: pixels.slice(), labels: Uint8Array.from(places, (place) => digits.labels[place]), ids: places.map((place) => digits.ids[place]), seed: 1 });
      try {
        const ever = new Uint8Array(places.length);
        await run.run((step_) => {
          step_.fooled.forEach((fooled, index) => (ever[index] ||= fooled));
          canvases.forEach((canvas, index) => {
            paintDigit(canvas, step_.images.subarray(index * PIXELS, (index + 1) * PIXELS));
            canvas.dataset.state = ever[index] ? 'fooled' : 'standing';
          });
          note.textContent = `${name}: step ${step_.step} of ${step_.steps}`;
        });
        const turned = ever.reduce((sum, fooled) => sum + fooled, 0);
        const { low, high } = wilsonInterval(turned, places.length);
        verdict.textContent = `${turned} of ${places.length} turned (95 % interval: ${percent(low)} to ${percent(high)}), on ${card.title}.`;
        wall.setAttribute('aria-label', `${name}: ${verdict.textContent}`);
      } finally {
        run.close().catch(() => {});
      }
    }
  }

  /** @param {HTMLElement} results */
  #pair(results) {
    const { digits } = this.page;
    const pair = digits.pairs[0];
    if (!pair) throw new Error('This page was built without pairs of digits.');
    const [first, second] = pair.pixels.map((place) => fromBytes(digits.bytesAt(place)));
    const images = [first, first.map((pixel, index) => (pixel + second[index]) / 2), second];
    const names = [`A ${pair.labels[0]}`, 'The midpoint', `A ${pair.labels[1]}`];
    results.replaceChildren(
      h(
        'div',
        { class: 'pictures' },
        ...images.map((pixels, index) => {
          const canvas = digitCanvas(names[index]);
          paintDigit(canvas, pixels);
          return h('figure', { class: 'picture' }, h('figcaption', {}, names[index]), canvas);
        }),
      ),
      h('p', { class: 'facts' }, `Test digits ${pair.first} and ${pair.second} are ${pair.distance.toFixed(2)} apart; the midpoint is ${(pair.distance / 2).toFixed(2)} from each.`),
    );
  }
}
