/**
 * A plain static host, such as any, on this machine: no special headers, the page in a folder below the root. Tests can
 * put other bytes in a file's place, take it away, or stop the host.
 *
 * @module
 */

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
};

/** Where the page lies below the host's root: nothing in it may depend on that. */
const FOLDER = '/some/where/';

export class Host {
  /** @type {Map<string, Uint8Array | null>} what stands in a file's place; null for a file that is missing */
  changed = new Map();
  /** @type {string[]} paths that were asked for, in order */
  asked = [];
  #port = 0;
  /** @type {import('node:http').Server | null} */
  #server = null;

  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /** Begins to answer, on the same port as before. */
  async start() {
    const server = createServer((request, response) => {
      this.#answer(new URL(request.url ?? '/', 'http://host').pathname, response).catch((error) => response.destroy(error));
    });
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', () => resolve(undefined));
    });
    this.#server = server;
    this.#port = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  }

  /** Ends all connections. */
  async stop() {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Address of the page. */
  get address() {
    return this.origin + FOLDER;
  }

  /**
   * Bytes of a file as it is served now.
   *
   * @param {string} file
   * @returns {Promise<Uint8Array>}
   */
  async bytes(file) {
    const changed = this.changed.get(file);
    if (changed === null) throw new Error(`${file} is missing`);
    return changed ?? readFile(path.join(this.folder, file));
  }

  /**
   * @param {string} pathname
   * @param {import('node:http').ServerResponse} response
   */
  async #answer(pathname, response) {
    this.asked.push(pathname);
    const file = pathname.startsWith(FOLDER) && !pathname.includes('..') ? pathname.slice(FOLDER.length) || 'index.html' : null;
    const bytes = file === null ? null : await this.bytes(decodeURIComponent(file)).catch(() => null);
    if (pathname === '/favicon.ico') {
      // Browsers ask for it at the root of any host where a page is not HTML.
      response.writeHead(204).end();
      return;
    }
    if (!file || !bytes) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
      return;
    }
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-length': bytes.length }).end(bytes);
  }
}
