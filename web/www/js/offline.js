import { notify } from './announce.js';

/**
 * Lets the browser keep this page for visits without a connection (`sw.js`). Where it will not, as over plain http or in
 * some private windows, nothing changes.
 *
 * @param {URL} base folder of the page
 * @param {string} build of the module that this browser runs; the other one is not kept
 */
export async function keepForOffline(base, build) {
  try {
    const worker = new URL('sw.js', base);
    worker.searchParams.set('build', build);
    const registration = await navigator.serviceWorker.register(worker);
    const watch = () => {
      const { installing } = registration;
      installing?.addEventListener('statechange', () => tellOfNewer(installing));
    };
    tellOfNewer(registration.waiting);
    watch();
    registration.addEventListener('updatefound', watch);
  } catch {
    // The page works all the same, with a connection.
  }
}

/** @param {ServiceWorker | null} worker */
function tellOfNewer(worker) {
  if (worker?.state !== 'installed' || !navigator.serviceWorker.controller) return;
  notify('A newer version of this page is ready. It starts when all tabs with this page have been closed.', 'note');
}
