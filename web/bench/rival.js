/**
 * tfjs with its wasm backend, in a worker: the same network, its gradients by `tf.grad`, the same attacks as one writes them.
 *
 * A classic worker, since tfjs comes as scripts. Convolutions and their activations are separate operations: fused ones compute
 * weight gradients whether anybody wants them or not, and are slower here.
 */

/* global importScripts, tf */

importScripts(
  '/modules/@tensorflow/tfjs/dist/tf.min.js',
  '/modules/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js',
);
tf.wasm.setWasmPaths('/modules/@tensorflow/tfjs-backend-wasm/dist/');

/** @type {Record<string, any>} */
let weights = {};

/** @param {number} bits  of a 16-bit float */
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

/**
 * Tensors of a safetensors file in 16-bit floats.
 *
 * @param {ArrayBuffer} bytes
 */
function tensors(bytes) {
  const view = new DataView(bytes);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  delete header.__metadata__;
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
      if (dtype !== 'F16') throw new Error(`${name} is ${dtype}`);
      const numbers = Float32Array.from({ length: (end - start) / 2 }, (_, place) => half(view.getUint16(8 + length + start + 2 * place, true)));
      return [name, tf.tensor(numbers, shape)];
    }),
  );
}

/** @param {string} url */
async function load(url) {
  await tf.setBackend('wasm');
  await tf.ready();
  const response = await fetch(url);
  const found = tensors(await response.arrayBuffer());
  const kernel = (/** @type {any} */ weight) => tf.transpose(weight, [2, 3, 1, 0]);
  // PyTorch flattens channel by channel, tfjs place by place.
  const flat = tf.transpose(tf.reshape(found['fc1.weight'], [1024, 64, 7, 7]), [2, 3, 1, 0]);
  weights = {
    conv1: [kernel(found['conv1.weight']), found['conv1.bias']],
    conv2: [kernel(found['conv2.weight']), found['conv2.bias']],
    fc1: [tf.reshape(flat, [3136, 1024]), found['fc1.bias']],
    fc2: [tf.transpose(found['fc2.weight']), found['fc2.bias']],
  };
}

/** @param {any} images  (n, 28, 28, 1) */
function logits(images) {
  const convolved = (/** @type {any} */ input, /** @type {any[]} */ [weight, bias]) =>
    tf.maxPool(tf.relu(tf.add(tf.conv2d(input, weight, 1, 'same'), bias)), 2, 2, 'valid');
  const linear = (/** @type {any} */ input, /** @type {any[]} */ [weight, bias]) => tf.add(tf.matMul(input, weight), bias);
  const features = convolved(convolved(images, weights.conv1), weights.conv2);
  return linear(tf.relu(linear(tf.reshape(features, [-1, 3136]), weights.fc1)), weights.fc2);
}

/**
 * Gradient of the summed cross-entropy.
 *
 * @param {any} images
 * @param {number} label
 */
function gradient(images, label) {
  const wanted = tf.oneHot(tf.fill([images.shape[0]], label, 'int32'), 10);
  return tf.grad((/** @type {any} */ points) => tf.neg(tf.sum(tf.mul(wanted, tf.logSoftmax(logits(points))))))(images);
}

/**
 * PGD or S-O with the sign of the gradient within the ball and the box; the last image.
 *
 * @param {any} natural
 * @param {number} label
 * @param {{kind: string, steps: number, samples: number, stepSize: number, sigma: number, epsilon: number}} work
 */
function attack(natural, label, { kind, steps, samples, stepSize, sigma, epsilon }) {
  const low = tf.maximum(tf.sub(natural, epsilon), 0);
  const high = tf.minimum(tf.add(natural, epsilon), 1);
  let image = tf.clone(natural);
  for (let step = 0; step < steps; step += 1) {
    const next = tf.tidy(() => {
      const points = kind === 'so' ? tf.add(image, tf.randomNormal([samples, 28, 28, 1], 0, sigma)) : image;
      const mean = tf.mean(gradient(points, label), 0, true);
      const moved = tf.add(image, tf.mul(tf.sign(mean), stepSize));
      return tf.minimum(tf.maximum(moved, low), high);
    });
    image.dispose();
    image = next;
  }
  return image;
}

const functions = {
  /** @param {{weights: string}} question */
  async load({ weights: url }) {
    await load(url);
    const backend = tf.getBackend();
    if (backend !== 'wasm') throw new Error(`tfjs took the backend ${backend}`);
  },

  /** @param {{images: Float32Array, label: number}} question */
  answer({ images, label }) {
    return tf.tidy(() => {
      const points = tf.tensor(images, [images.length / 784, 28, 28, 1]);
      return { logits: logits(points).dataSync(), gradient: gradient(points, label).dataSync() };
    });
  },

  /** @param {{work: any, images: Float32Array, label: number, repeats: number}} question */
  run({ work, images, label, repeats }) {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      tf.tidy(() => {
        const points = tf.tensor(images, [images.length / 784, 28, 28, 1]);
        const found = work.kind === 'gradient' ? gradient(points, label) : attack(points, label, work);
        found.dataSync();
      });
    }
  },
};

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ value: await functions[data.name](data) });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
