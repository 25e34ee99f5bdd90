/**
 * The page without a connection, after its first load.
 *
 * `cargo xtask web` writes two constants in front of this text: `FILES`, the SHA-256 of every file of the folder by its
 * path, and `VERSION`, the SHA-256 of that list. So any change of the folder is a change of this file, which browsers
 * look for.
 *
 * A version is kept whole or not at all. It is fetched before it takes over, every file is checked by its hash, and what
 * a page asks for is answered with the file of this worker's version or with nothing. A newer version waits, as browsers
 * have it, until the last page of the older one is closed; so no page ever sees files of two.
 *
 * Weights do not lie here: the engine keeps those that were loaded (`engine/weights.js`). A new version throws away those
 * that none of its networks has.
 */

/* global FILES, VERSION */

const { scope } = self.registration;
/** Caches belong to a host, on which other folders may be pages of ours too. */
const OURS = `saddle-page ${scope} `;
const CACHE = OURS + VERSION;
const NETWORKS = 'saddle-networks';
/** The build of the module that this browser runs, as the page found out. */
const build = new URL(self.location.href).searchParams.get('build');

/** @param {string} path */
const isWeights = (path) => path.endsWith('.safetensors');

/** @param {string} path */
const isOtherBuild = (path) => path.endsWith('.wasm') && !path.endsWith(`.${build}.wasm`);

/**
 * A file's address. Some hosts redirect from `index.html`, and no browser opens what was redirected.
 *
 * @param {string} path
 */
const address = (path) => new URL(path === 'index.html' ? './' : path, scope).href;

/**
 * A request whose answer is refused unless it has the hash of this version.
 *
 * @param {string} path
 */
function checked(path) {
  const bytes = FILES[path].match(/../gu).map((byte) => parseInt(byte, 16));
  const integrity = `sha256-${btoa(String.fromCharCode(...bytes))}`;
  return new Request(address(path), { cache: 'no-cache', integrity });
}

async function fill() {
  const cache = await caches.open(CACHE);
  const paths = Object.keys(FILES).filter((path) => !isWeights(path) && !isOtherBuild(path));
  await cache.addAll(paths.map(checked));
}

async function tidy() {
  for (const name of await caches.keys()) {
    if (name.startsWith(OURS) && name !== CACHE) await caches.delete(name);
  }
  const paths = Object.keys(FILES).filter(isWeights);
  const known = new Set(paths.map((path) => `${address(path)}?sha256=${FILES[path]}`));
  const networks = await caches.open(NETWORKS);
  for (const { url } of await networks.keys()) {
    if (url.startsWith(address('networks/')) && !known.has(url)) await networks.delete(url);
  }
}

/** @param {string} path */
async function file(path) {
  const cache = await caches.open(CACHE);
  return (await cache.match(address(path), { ignoreVary: true })) ?? fetch(checked(path));
}

self.addEventListener('install', (event) => event.waitUntil(fill()));
self.addEventListener('activate', (event) => event.waitUntil(tidy()));
self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const [place] = url.split(/[?#]/u);
  if (method !== 'GET' || !place.startsWith(scope)) return;
  const path = place.slice(scope.length) || 'index.html';
  if (Object.hasOwn(FILES, path) && !isWeights(path)) event.respondWith(file(path));
});
