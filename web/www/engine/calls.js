/**
 * Calls over a message port: one message there, one message back.
 *
 * @module
 */

/** @typedef {Worker | MessagePort | DedicatedWorkerGlobalScope} Port */

/** The side that calls. */
export class Caller {
  /** @param {Port} port */
  constructor(port) {
    this.port = port;
    this.count = 0;
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
    this.open = new Map();
    /** @type {Error | undefined} */
    this.ended = undefined;
    port.onmessage = ({ data }) => {
      const waiting = this.open.get(data.call);
      if (!waiting) return;
      this.open.delete(data.call);
      if (data.error) waiting.reject(named(data.error));
      else waiting.resolve(data.value);
    };
  }

  /**
   * @param {string} name
   * @param {any} value
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  call(name, value, transfer = []) {
    if (this.ended) return Promise.reject(this.ended);
    this.count += 1;
    const call = this.count;
    return new Promise((resolve, reject) => {
      this.open.set(call, { resolve, reject });
      this.port.postMessage({ call, name, value }, transfer);
    });
  }

  /**
   * Gives up on every open call and on all that follow, since the other side has ended.
   *
   * @param {Error} error
   */
  fail(error) {
    this.ended ??= error;
    for (const { reject } of this.open.values()) reject(error);
    this.open.clear();
  }
}

/**
 * The side that answers. Buffers of the typed arrays in a value are moved, not copied.
 *
 * @param {Port} port
 * @param {Record<string, (value: any) => any>} functions
 */
export function answer(port, functions) {
  port.onmessage = async ({ data }) => {
    const { call, name, value } = data;
    try {
      if (!Object.hasOwn(functions, name)) throw new Error(`nothing here is called ${name}`);
      const result = await functions[name](value);
      port.postMessage({ call, value: result }, buffers(result));
    } catch (error) {
      port.postMessage({ call, error: { name: error.name, message: error.message } });
    }
  };
}

/**
 * Buffers behind the typed arrays of a value, each once.
 *
 * @param {any} value
 * @returns {ArrayBuffer[]}
 */
export function buffers(value) {
  if (value === null || typeof value !== 'object') return [];
  const arrays = Object.values(value).filter((part) => ArrayBuffer.isView(part));
  return [...new Set(arrays.map((array) => array.buffer))];
}

/**
 * @param {{name: string, message: string}} error
 * @returns {Error}
 */
function named({ name, message }) {
  if (name === 'AbortError') return new DOMException(message, name);
  const error = new Error(message);
  error.name = name;
  return error;
}
