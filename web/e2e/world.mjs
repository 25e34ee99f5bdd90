/**
 * What a test works with: the host, the browser, the native program, and visits to the page that notice what is wrong.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { EnginePage } from './engine-page.mjs';
import { Native } from './native.mjs';
import { Host } from './server.mjs';
import { Visit } from './visit.mjs';

/** @typedef {{page: string, saddle: string, zoo: string, folder: string, failures: string, patience: number}} Places */

/** Nothing of the browser's own goes out; the collector can be called, for the test of memory. */
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-precise-memory-info',
  '--js-flags=--expose-gc',
];

export class World {
  /** @type {Visit[]} */
  #visits = [];
  /** @type {EnginePage | null} */
  #enginePage = null;
  /** @type {string[]} */
  #words = [];
  /** @type {Map<string, Promise<any>>} */
  #known = new Map();

  /** @param {Places} places */
  static async open(places) {
    const load = createRequire(path.resolve(places.folder, 'package.json'));
    const { chromium } = load('playwright-core');
    const axe = await readFile(load.resolve('axe-core/axe.min.js'), 'utf8');
    const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const host = new Host(places.page);
    await host.start();
    const browser = await chromium.launch({ executablePath: executable(), args: [...FLAGS, ...root] });
    console.log(`Chromium ${browser.version()}, ${host.address}`);
    return new World(places, host, browser, axe);
  }

  /**
   * @param {Places} places
   * @param {Host} host
   * @param {import('playwright-core').Browser} browser
   * @param {string} axe  source of the accessibility checks
   */
  constructor(places, host, browser, axe) {
    this.places = places;
    /** The longest wait for anything, in milliseconds. */
    this.patience = places.patience;
    this.host = host;
    this.browser = browser;
    this.axe = axe;
    this.native = new Native(places);
  }

  /**
   * A new visitor, who has never been here.
   *
   * @param {import('playwright-core').BrowserContextOptions} [options]
   */
  async visit(options = {}) {
    const visit = await Visit.begin(this, { viewport: { width: 1280, height: 800 }, ...options });
    this.#visits.push(visit);
    return visit;
  }

  /** A page with the engine alone; the same one for all tests. */
  async enginePage() {
    this.#enginePage ??= await EnginePage.open(await Visit.begin(this, {}));
    return this.#enginePage;
  }

  /**
   * What several tests need, made once.
   *
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} make
   * @returns {Promise<T>}
   */
  once(name, make) {
    const known = this.#known.get(name) ?? make();
    this.#known.set(name, known);
    known.catch(() => this.#known.delete(name));
    return known;
  }

  /** The networks of the page. */
  async cards() {
    return JSON.parse(await readFile(path.join(this.places.page, 'networks/index.json'), 'utf8'));
  }

  /**
   * Adds to the test's line what it measured.
   *
   * @param {string} words
   */
  note(words) {
    this.#words.push(words);
  }

  /** Fails for what was wrong on any visit; ends the visits and gives the test's words. */
  async endOfTest() {
    const problems = this.#all().flatMap((visit) => visit.problems());
    if (problems.length > 0) throw new Error(`on the page:\n${problems.join('\n')}`);
    const words = this.#words;
    await this.#clear();
    return words;
  }

  /**
   * Keeps what a person wants to see; gives the files.
   *
   * @param {string} name of the test
   */
  async afterFailure(name) {
    await mkdir(this.places.failures, { recursive: true });
    const files = [];
    const slug = name.replace(/[^a-z0-9]+/giu, '-').slice(0, 60);
    for (const [index, visit] of this.#all().entries()) {
      const file = path.join(this.places.failures, `${slug}-${index + 1}`);
      await writeFile(`${file}.log`, `${visit.log.join('\n')}\n`);
      files.push(`${file}.log`);
      for (const [tab, page] of visit.context.pages().entries()) {
        const picture = `${file}${tab > 0 ? `-${tab + 1}` : ''}.png`;
        const kept = await page.screenshot({ path: picture, timeout: 10_000 }).catch(() => null);
        if (kept) files.push(picture);
      }
    }
    await this.#clear();
    return files;
  }

  async close() {
    await this.browser.close();
    await this.host.stop();
  }

  #all() {
    return this.#enginePage ? [...this.#visits, this.#enginePage.visit] : this.#visits;
  }

  async #clear() {
    for (const visit of this.#visits) await visit.context.close();
    this.#visits = [];
    this.#words = [];
    this.#enginePage?.visit.forget();
    // A test may have left the host changed or stopped.
    this.host.changed.clear();
    await this.host.stop();
    await this.host.start();
  }
}

/** The browser: what `CHROMIUM` names, else the first that is installed. */
function executable() {
  const named = process.env.CHROMIUM;
  if (named && existsSync(named)) return named;
  if (named) throw new Error(`CHROMIUM names ${named}, which is not there`);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const places = names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  const found = places.find((place) => existsSync(place));
  if (!found) throw new Error('no Chromium here: install one (Debian: apt-get install chromium), or say by CHROMIUM where it is');
  return found;
}
