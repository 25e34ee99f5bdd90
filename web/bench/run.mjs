/**
 * The demo's engine beside tfjs in headless Chromium: started by `cargo xtask bench web`, prints lines of JSON.
 *
 *     node run.mjs --page DIR [--rounds N] [--work NAME]... [--attacks N]
 *
 * The variable CHROMIUM says where the browser is, if it is not in one of the usual places.
 *
 * Both sides live in one page, each in a worker of its own, and are asked in turn, in an order that alternates. A timing is
 * the processor time of all threads of that page's process; a ratio is taken within a round.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { interval, median, processorTime, residentMemory, weigh } from './measures.mjs';
import { serve } from './server.mjs';

/** Largest difference of a logit, and relative distance of gradients: the sides do equal work, or nothing is timed. */
const LOGITS = 1e-3;
const GRADIENTS = 1e-2;
/** Milliseconds that one timing should take at least. */
const TIMING = 400;
const USUAL = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Steps x samples of each attack of the memory test. */
const MANY = 'so_10x4';

const { values: flags } = parseArgs({
  options: {
    page: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    work: { type: 'string', multiple: true, default: ['input_gradient_1', 'input_gradient_20', 'pgd_40', 'so_40x20', 'so_400x1'] },
    attacks: { type: 'string', default: '1000' },
  },
});
if (!flags.page) throw new Error('--page is missing');
const rounds = Number(flags.rounds);

/** @param {object} line */
const say = (line) => console.log(JSON.stringify(line));

const server = await serve(flags.page);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? USUAL.find((file) => existsSync(file)),
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update'],
});

/** Time from the first request until the page answers, and the files that it asked for: in a browser that knows nothing. */
async function opened() {
  const context = await browser.newContext({ serviceWorkers: 'block' });
  const page = await context.newPage();
  server.asked.clear();
  const start = performance.now();
  await page.goto(server.address);
  await page.waitForSelector('#loading', { state: 'detached' });
  const milliseconds = performance.now() - start;
  await context.close();
  return { milliseconds, files: [...server.asked] };
}

/** The page that is timed, and the number of its process. */
async function timed() {
  const page = await (await browser.newContext({ serviceWorkers: 'block' })).newPage();
  page.on('pageerror', (error) => console.error(error.stack));
  const client = await browser.newBrowserCDPSession();
  const renderers = async () => {
    const { processInfo } = await client.send('SystemInfo.getProcessInfo');
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  };
  await page.goto(`${server.address}/bench/`);
  await page.waitForFunction('globalThis.bench', undefined, { timeout: 300_000 });
  const found = await renderers();
  // What it is that runs the page's script is seen by letting it run.
  const before = found.map(processorTime);
  await page.evaluate(() => /** @type {any} */ (globalThis).bench.ours('input_gradient_20', 20));
  const spent = found.map((id, index) => processorTime(id) - before[index]);
  return { page, renderer: found[spent.indexOf(Math.max(...spent))] };
}

try {
  say({ measure: 'sizes', files: weigh(flags.page) });
  const openings = [];
  for (let count = 0; count < 5; count += 1) openings.push(await opened());
  const times = openings.map(({ milliseconds }) => milliseconds);
  say({ measure: 'opening', milliseconds: median(times), fastest: Math.min(...times), files: openings[0].files });

  const { page, renderer } = await timed();
  /** @type {(side: string, name: string, repeats: number, workers?: number) => Promise<number>} */
  const call = (side, name, repeats, workers) =>
    page.evaluate(([s, ...rest]) => /** @type {any} */ (globalThis).bench[s](...rest), [side, name, repeats, workers]);
  /** Processor milliseconds of one call. */
  const cost = async (/** @type {string} */ side, /** @type {string} */ name, /** @type {number} */ repeats) => {
    const before = processorTime(renderer);
    await call(side, name, repeats);
    return (processorTime(renderer) - before) / repeats;
  };
  const kernels = await page.evaluate(() => /** @type {any} */ (globalThis).bench.kernels);
  const version = browser.version();
  const apart = await page.evaluate(() => /** @type {any} */ (globalThis).bench.apart());
  if (!(apart.logits <= LOGITS && apart.gradient <= GRADIENTS)) {
    throw new Error(`the sides do not compute the same: logits ${apart.logits} apart, gradients ${apart.gradient}`);
  }
  say({ measure: 'apart', ...apart });

  for (const name of flags.work) {
    const sides = ['ours', 'theirs'];
    const repeats = {};
    for (const side of sides) {
      const once = await call(side, name, 1).then(() => call(side, name, 1));
      repeats[side] = Math.max(1, Math.round(TIMING / once));
    }
    const pairs = [];
    for (let round = 0; round < rounds; round += 1) {
      const costs = {};
      for (const side of round % 2 ? [...sides].reverse() : sides) costs[side] = await cost(side, name, repeats[side]);
      pairs.push(costs);
    }
    const ratios = pairs.map(({ ours, theirs }) => theirs / ours);
    say({
      measure: 'rival',
      work: name,
      rival: 'tfjs-wasm',
      ratio_median: median(ratios),
      ratio_interval: interval(ratios),
      ours_ms: median(pairs.map(({ ours }) => ours)),
      rival_ms: median(pairs.map(({ theirs }) => theirs)),
      rounds,
      kernels,
      browser: version,
    });
  }

  if (flags.work.includes('so_40x20')) {
    const pairs = [];
    // The second engine has not run yet.
    const once = await call('ours', 'so_40x20', 1, 2).then(() => call('ours', 'so_40x20', 1, 2));
    const repeats = Math.max(1, Math.round((2 * TIMING) / once));
    for (let round = 0; round < rounds; round += 1) {
      const walls = {};
      for (const workers of round % 2 ? [2, 1] : [1, 2]) walls[workers] = await call('ours', 'so_40x20', repeats, workers);
      pairs.push(walls);
    }
    const ratios = pairs.map((walls) => walls[1] / walls[2]);
    const of = (/** @type {number} */ workers) => median(pairs.map((walls) => walls[workers]));
    say({ measure: 'workers', work: 'so_40x20', ratio_median: median(ratios), ratio_interval: interval(ratios), one_ms: of(1), two_ms: of(2), rounds });
  }

  const attacks = Number(flags.attacks);
  if (attacks > 0) {
    const client = await page.context().newCDPSession(page);
    const memory = async () => {
      await client.send('HeapProfiler.collectGarbage');
      return residentMemory(renderer);
    };
    await call('ours', MANY, 20);
    const start = await memory();
    await call('ours', MANY, attacks);
    say({ measure: 'memory', work: MANY, attacks, start_mb: start, end_mb: await memory() });
  }
} finally {
  await browser.close();
  server.close();
}
