/**
 * A page with the engine and nothing else: numbers of the browser, without the views.
 *
 * @module
 */

/** @typedef {{id: number | null, label: number, pixels: string}} Example `pixels` is base64 of 784 bytes */
/**
 * @typedef {object} Outcome of an attack on one example
 * @property {import('./native.mjs').Measured} measured
 * @property {number[][]} logits  of every step
 */

export class EnginePage {
  /** @param {import('./visit.mjs').Visit} visit */
  static async open(visit) {
    const { page, world } = visit;
    await page.goto(`${world.host.address}digits.json`);
    await page.evaluate(async (base) => {
      const { Engine } = await import(`${base}engine/engine.js`);
      globalThis.saddle = { engine: await Engine.start({ base }), base };
    }, world.host.address);
    return new EnginePage(visit);
  }

  /** @param {import('./visit.mjs').Visit} visit */
  constructor(visit) {
    this.visit = visit;
  }

  /**
   * Class scores of examples.
   *
   * @param {string} network
   * @param {Example[]} examples
   * @returns {Promise<number[][]>}
   */
  classify(network, examples) {
    return this.visit.page.evaluate(
      async ([id, images]) => {
        const { engine } = globalThis.saddle;
        await engine.load(id);
        const bytes = images.flatMap((image) => Array.from(atob(image), (letter) => letter.charCodeAt(0)));
        const logits = await engine.classify(id, Float32Array.from(bytes, (byte) => byte / 255));
        return images.map((_, place) => Array.from(logits.subarray(place * 10, place * 10 + 10)));
      },
      /** @type {const} */ ([network, examples.map(({ pixels }) => pixels)]),
    );
  }

  /**
   * Attacks examples in one run; without noise of its own, a drawing has that of index 0.
   *
   * @param {{network: string, attack: object, seed: number, examples: Example[]}} request
   * @returns {Promise<Outcome[]>}
   */
  attack(request) {
    return this.visit.page.evaluate(async ({ network, attack, seed, examples }) => {
      const { engine } = globalThis.saddle;
      await engine.load(network);
      const bytes = examples.flatMap(({ pixels }) => Array.from(atob(pixels), (letter) => letter.charCodeAt(0)));
      const run = await engine.attack({
        network,
        attack,
        pixels: Float32Array.from(bytes, (byte) => byte / 255),
        labels: Uint8Array.from(examples, ({ label }) => label),
        ids: examples.map(({ id }) => id ?? 0),
        seed,
      });
      const outcomes = examples.map(() => ({ measured: { losses: [] }, logits: [] }));
      await run.run((report) => {
        outcomes.forEach(({ measured, logits }, place) => {
          measured.losses.push(report.losses[place]);
          logits.push(Array.from(report.logits.subarray(place * 10, place * 10 + 10)));
          Object.assign(measured, {
            steps: report.step,
            passes: report.passes[place],
            prediction: report.predictions[place],
            fooled: report.fooled[place] === 1,
            l2: report.l2[place],
            linf: report.linf[place],
          });
        });
      });
      return outcomes;
    }, request);
  }

  /**
   * SHA-256 of the points at which an attack looks first, for each example on its own: natural image, start and noise,
   * to the bit.
   *
   * @param {{network: string, attack: object, seed: number, examples: Example[]}} request
   * @returns {Promise<string[]>}
   */
  firstPoints(request) {
    return this.visit.page.evaluate(async ({ network, attack, seed, examples }) => {
      const { engine, base } = globalThis.saddle;
      await engine.load(network);
      const module = await import(`${base}wasm/saddle_web.js`);
      await module.default({ module_or_path: `${base}wasm/saddle_web.${engine.kernels}.wasm` });
      const hashes = [];
      for (const { id, label, pixels } of examples) {
        const image = Float32Array.from(atob(pixels), (letter) => letter.charCodeAt(0) / 255);
        const run = new module.AttackRun(JSON.stringify(attack), image, Uint8Array.of(label), Float64Array.of(id ?? 0), seed, false);
        let question = run.ask();
        while (question.gradients === 0) {
          run.tell(await engine.classify(network, question.points), undefined);
          question.free();
          question = run.ask();
        }
        const hash = await crypto.subtle.digest('SHA-256', question.points);
        hashes.push(Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join(''));
        question.free();
        run.free();
      }
      return hashes;
    }, request);
  }
}
