/** Visits without a connection, and visits after the page has changed. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { test } from '../suite.mjs';
import { BUILD } from '../visit.mjs';

const QUICK = '#a.steps=2&b.steps=2&b.samples=2';

/** @param {Uint8Array | string} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * Waits until the browser keeps the page: a worker is in charge of what comes next.
 *
 * @param {import('playwright-core').Page} page
 */
const kept = (page) =>
  page.evaluate(async () => {
    const { active } = await navigator.serviceWorker.ready;
    if (active.state === 'activated') return;
    await new Promise((resolve) => active.addEventListener('statechange', () => active.state === 'activated' && resolve(undefined)));
  });

/** @param {import('playwright-core').Page} page */
const pageCaches = (page) => page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith('saddle-page ')));

test('after the first load the page works without a connection', async (world) => {
  const visit = await world.visit();
  await visit.open(QUICK);
  await visit.ready();
  await kept(visit.page);
  await world.host.stop();
  await visit.page.reload();
  await visit.ready();
  await visit.runBoth();
  assert.match(await visit.page.locator('.slot-b .picture figcaption').first().innerText(), /^Step 2 of 2$/u);
  assert.deepEqual(await visit.notices(), []);
  assert.deepEqual(visit.problems(), []);
  // A network that was never loaded cannot be had, and that is said.
  visit.expect(/ERR_CONNECTION_REFUSED|ERR_FAILED|ERR_INTERNET_DISCONNECTED|net::/u);
  await visit.page.locator('.slot-a').getByLabel('Network', { exact: true }).selectOption('trades_linf');
  await visit.notice(/^The weights of TRADES l∞ cannot be fetched; is there a connection\?$/u);
  // Another tab, by another name of the same page.
  const tab = await visit.context.newPage();
  await tab.goto(`${world.host.address}index.html#view=pair`);
  await tab.locator('.opinion .value', { hasText: '%' }).first().waitFor();
});

test('only the module in use is kept, and no weights twice', async (world) => {
  const visit = await world.visit();
  await visit.open(QUICK);
  await visit.ready();
  await kept(visit.page);
  const files = await visit.page.evaluate(async () => {
    const [name] = (await caches.keys()).filter((each) => each.startsWith('saddle-page '));
    const keys = await (await caches.open(name)).keys();
    return keys.map(({ url }) => url);
  });
  const names = files.map((url) => url.slice(world.host.address.length));
  assert.deepEqual(names.filter((name) => name.endsWith('.wasm')), [`wasm/saddle_web.${BUILD}.wasm`]);
  assert.ok(names.includes('') && names.includes('digits.bin') && names.includes('js/main.js') && names.includes('networks/index.json'), names.join());
  assert.deepEqual(names.filter((name) => name.endsWith('.safetensors')), []);
});

/**
 * The page with another text somewhere: what stands in the place of two of its files.
 *
 * @param {import('../world.mjs').World} world
 * @param {string} title
 */
async function another(world, title) {
  const file = 'index.html';
  const before = Buffer.from(await world.host.bytes(file)).toString('utf8');
  const after = before.replace(/<title>.*<\/title>/u, `<title>${title}</title>`);
  const worker = Buffer.from(await world.host.bytes('sw.js')).toString('utf8');
  const hashes = [sha256(before), sha256(after)];
  assert.ok(worker.includes(hashes[0]), 'the worker knows the hash of the page');
  const changed = worker.replace(hashes[0], hashes[1]).replace(/VERSION = '[0-9a-f]{64}'/u, `VERSION = '${sha256(title)}'`);
  return { file, page: Buffer.from(after), worker: Buffer.from(changed) };
}

test('a new version takes over whole, when the old one is closed, and leaves nothing of it', async (world) => {
  const visit = await world.visit();
  let { page } = visit;
  await visit.open(QUICK);
  await visit.ready();
  await kept(page);
  const title = await page.title();
  const [first] = await pageCaches(page);
  const next = await another(world, 'Another version');

  // Half of it is there: the new list, the old page. Nobody takes what does not fit the list.
  world.host.changed.set('sw.js', next.worker);
  visit.expect(/integrity|digest/u);
  await page.reload();
  await visit.ready();
  const waiting = await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    await registration.update().catch(() => {});
    while (registration.installing) await new Promise((resolve) => setTimeout(resolve, 20));
    return registration.waiting !== null;
  });
  assert.equal(waiting, false, 'half of a version is not taken');
  assert.equal(await page.title(), title);

  // All of it is there: the old page stays whole and says that there is a newer one.
  world.host.changed.set(next.file, next.page);
  await page.reload();
  await visit.notice(/^A newer version of this page is ready/u);
  assert.equal(await page.title(), title);
  await page.reload();
  await visit.ready();
  assert.equal(await page.title(), title, 'the old worker answers as long as its page is open');

  // The last page of the old version is closed, which the browser notices in its own time.
  for (let tries = 0; tries < 5; tries += 1) {
    page = await visit.anotherTab();
    await page.waitForTimeout(500);
    await visit.open(QUICK);
    await visit.ready();
    if ((await page.title()) !== title) break;
  }
  assert.equal(await page.title(), 'Another version');
  await kept(page);
  const caches = await pageCaches(page);
  assert.ok(caches.length === 1 && caches[0] !== first, `kept are ${caches}`);
  await visit.runBoth();
});

test('a file that the browser has lost is answered with its own version or not at all', async (world) => {
  const visit = await world.visit();
  await visit.open(QUICK);
  await visit.ready();
  await kept(visit.page);
  await visit.page.reload();
  await visit.ready();
  const lost = (/** @type {string} */ file) =>
    visit.page.evaluate(async (url) => {
      for (const name of await caches.keys()) await (await caches.open(name)).delete(url);
      return fetch(url).then(
        (response) => response.ok,
        () => false,
      );
    }, world.host.address + file);
  assert.equal(await lost('js/state.js'), true, 'the same file comes from the host');
  const other = Buffer.concat([await world.host.bytes('js/state.js'), Buffer.from('\n')]);
  world.host.changed.set('js/state.js', other);
  visit.expect(/integrity|digest|FetchEvent|Failed to load resource|net::ERR_FAILED/u);
  assert.equal(await lost('js/state.js'), false, 'a file of another version does not');
});

test('where no worker can be registered, nothing changes', async (world) => {
  world.host.changed.set('sw.js', null);
  const visit = await world.visit();
  visit.expect(/404/u);
  await visit.open(QUICK);
  await visit.ready();
  await visit.runBoth();
  assert.deepEqual(await visit.notices(), []);
  assert.deepEqual(await pageCaches(visit.page), []);
  await visit.page.reload();
  await visit.ready();
});
