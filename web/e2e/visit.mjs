/**
 * A visitor of the page, with a profile of their own.
 *
 * @module
 */

/** The module that the browser of these tests chooses. */
export const BUILD = 'relaxed-simd';

/** Milliseconds after which the page has surely written its state into the address (`SETTLED` in `main.js`). */
const SETTLED = 600;

export class Visit {
  /** Everything that the console said, and every problem. */
  log = [];
  /** @type {string[]} */
  #problems = [];
  /** @type {RegExp[]} */
  #expected = [];

  /**
   * @param {import('./world.mjs').World} world
   * @param {import('playwright-core').BrowserContextOptions} options
   */
  static async begin(world, options) {
    const context = await world.browser.newContext(options);
    context.setDefaultTimeout(world.patience);
    return new Visit(world, context, await context.newPage());
  }

  /**
   * @param {import('./world.mjs').World} world
   * @param {import('playwright-core').BrowserContext} context
   * @param {import('playwright-core').Page} page
   */
  constructor(world, context, page) {
    this.world = world;
    this.context = context;
    this.page = page;
    context.on('console', (message) => {
      this.log.push(`${message.type()}: ${message.text()}`);
      if (message.type() === 'error') this.#problem(`console: ${message.text()}`);
    });
    context.on('weberror', (error) => this.#problem(`uncaught: ${error.error().stack ?? error.error().message}`));
    context.on('request', (request) => {
      const url = request.url();
      const here = [world.host.origin, 'blob:', 'data:'].some((start) => url.startsWith(start));
      if (!here) this.#problem(`request to ${url}`);
    });
  }

  /** @param {string} text */
  #problem(text) {
    this.log.push(text);
    this.#problems.push(text);
  }

  /**
   * Says that a problem is part of the test.
   *
   * @param {RegExp} problem
   */
  expect(problem) {
    this.#expected.push(problem);
  }

  /** What went wrong and was not expected. */
  problems() {
    return this.#problems.filter((problem) => !this.#expected.some((expected) => expected.test(problem)));
  }

  /** Forgets what was seen so far. */
  forget() {
    this.log = [];
    this.#problems = [];
    this.#expected = [];
  }

  /**
   * Opens the page and waits until it can be used.
   *
   * @param {string} [fragment]  with its `#`
   */
  async open(fragment = '') {
    await this.page.goto(this.world.host.address + fragment);
    await this.page.locator('#loading').waitFor({ state: 'detached' });
  }

  /** Waits until both slots say what their networks see. */
  async ready() {
    for (const slot of ['a', 'b']) await this.page.locator(`.slot-${slot} .verdict`, { hasText: 'says' }).waitFor();
  }

  /** Closes the tab and goes on in a new one. */
  async anotherTab() {
    const tab = await this.context.newPage();
    await this.page.close();
    this.page = tab;
    return tab;
  }

  get run() {
    return this.page.locator('.transport button.primary');
  }

  /** Runs both attacks to their end. */
  async runBoth() {
    await this.run.click();
    await this.over();
  }

  /** Waits for the end of a run that has begun. */
  async over() {
    await this.page.locator('.transport button.primary', { hasText: 'Run again' }).waitFor();
    // The last step is drawn with the next picture.
    await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }

  /** @param {'a' | 'b'} slot */
  verdict(slot) {
    return this.page.locator(`.slot-${slot} .verdict`).innerText();
  }

  /**
   * One of the figures of a slot, by its name.
   *
   * @param {'a' | 'b'} slot
   * @param {string} name
   */
  readout(slot, name) {
    return this.page.locator(`.slot-${slot} .readout div`, { hasText: name }).locator('dd').innerText();
  }

  /** Texts of the messages above the page. */
  notices() {
    return this.page.locator('.notice p').allInnerTexts();
  }

  /**
   * Waits for a message.
   *
   * @param {RegExp} text
   */
  notice(text) {
    return this.page.locator('.notice p', { hasText: text }).first().waitFor();
  }

  /** The fragment once the page has written its state there. */
  async fragment() {
    await this.page.evaluate((pause) => new Promise((resolve) => setTimeout(resolve, pause)), SETTLED);
    return new URL(this.page.url()).hash;
  }

  /**
   * Clicks and gives the text or bytes of the file that the page hands over.
   *
   * @param {string} button
   * @returns {Promise<{name: string, bytes: Buffer}>}
   */
  async download(button) {
    const [download] = await Promise.all([this.page.waitForEvent('download'), this.page.getByRole('button', { name: button }).click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return { name: download.suggestedFilename(), bytes: Buffer.concat(chunks) };
  }
}
