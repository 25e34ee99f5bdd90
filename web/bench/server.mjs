/**
 * Serves the page, this folder and the packages in it to this machine, and remembers what was asked for.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * @param {string} page  the folder that `cargo xtask web` made
 * @returns {Promise<{address: string, asked: Set<string>, close: () => void}>}  `asked` holds paths of the page's files
 */
export async function serve(page) {
  /** @type {Set<string>} */
  const asked = new Set();
  const folders = { '/bench/': import.meta.dirname, '/modules/': path.join(import.meta.dirname, 'node_modules') };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const [prefix, folder] = Object.entries(folders).find(([start]) => pathname.startsWith(start)) ?? ['/', page];
    const file = path.join(folder, path.normalize(decodeURIComponent(pathname.slice(prefix.length) || 'index.html')));
    try {
      if (!file.startsWith(folder)) throw new Error('outside');
      const bytes = await readFile(file);
      if (folder === page) asked.add(path.relative(page, file));
      response.writeHead(200, { 'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { address: `http://127.0.0.1:${port}`, asked, close: () => server.close() };
}
