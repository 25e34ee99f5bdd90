/**
 * What travels between the page, the coordinator and the workers. Types only: `import('./protocol.js').AttackRequest`.
 *
 *     page (engine.js)  <-- calls -->  coordinator.js  <-- calls -->  worker.js, as many as there are further workers
 *                                      holds attacks                  holds networks
 *                                      and networks
 *
 * One call is one message each way ({@link Call}, {@link Reply}). No memory is shared and no special header is needed.
 *
 * @module
 */

/**
 * An attack and its threat model: `AttackSettings` of the crate `saddle-attacks`, which refuses unknown fields.
 * FGSM is one step of length epsilon, whatever `steps` and `stepSize` say.
 *
 * @typedef {object} AttackSettings
 * @property {'fgsm'|'pgd'|'so'|'so_even'|'so_odd'} kind
 * @property {'l2'|'linf'|'l1'} norm
 * @property {number} epsilon  radius in pixel units
 * @property {number} stepSize  in pixel units
 * @property {number} steps
 * @property {number} sigma  standard deviation of the noise per pixel
 * @property {number} samples  draws of noise per step; `so_even` and `so_odd` look at two points for each
 * @property {'natural'|'uniform'|'gaussian'} start
 * @property {'steepest'|'raw'|'sign'|'unit'} rule
 * @property {number} [momentum]
 * @property {'cross_entropy'|'cw_margin'} [loss]
 * @property {number} [startSigma]  of a Gaussian start; `sigma` when left out
 */

/**
 * @typedef {object} AttackRequest
 * @property {string} network  id of a loaded network
 * @property {AttackSettings} attack
 * @property {Float32Array} pixels  n digits of 784 pixels in [0, 1]
 * @property {Uint8Array} labels  n true classes
 * @property {number[]} ids  n indices in the data set: they key the noise
 * @property {number} seed  a whole number
 * @property {boolean} [stopFooled]  whether a digit leaves once it fools; one that is wrong from the start is then not attacked
 */

/**
 * Where every digit stands after `step` steps, judged in 64 bits. Reports come for 0 (the start) to `steps`; a run with
 * `stopFooled` ends when the last digit has left. A digit that has left keeps the values of the image that fooled.
 *
 * @typedef {object} StepReport
 * @property {number} step
 * @property {number} steps
 * @property {Float32Array} images  n * 784
 * @property {Float32Array} logits  n * 10, of these images
 * @property {Float64Array} losses  n, of these images
 * @property {Float64Array} gradientNorms  n: l2 norm of what the attack saw from these images, combined; NaN in the last
 *   report, after which it does not look any more
 * @property {Float64Array} l2  n distances from the natural digits
 * @property {Float64Array} linf  n
 * @property {Uint8Array} predictions  n classes
 * @property {Uint8Array} fooled  n: 1 where the prediction is wrong; the image has been found within the threat model, for
 *   one that is not the run fails
 * @property {Float64Array} passes  n: forward and backward passes spent up to the verdict on these images, as the native
 *   driver counts them (`first_fooled_passes`; in the last report, all of them)
 * @property {number} milliseconds  of this step, from the question to the verdict
 * @property {number} gradients  points whose gradient was evaluated in this step
 */

/**
 * @typedef {object} NetworkCard
 * @property {string} id
 * @property {string} title
 * @property {string} file  in the folder `networks`
 * @property {number} bytes
 * @property {string} sha256
 * @property {{metadata: Record<string, string>, text: string}} card
 */

/**
 * @typedef {object} LandscapeRequest
 * @property {string} network
 * @property {Float32Array} pixels  784
 * @property {number} label
 * @property {number} extent  positions go from -extent to extent, in pixel units
 * @property {number} resolution  k positions along each axis, 2 to 201
 * @property {number} sigma  of the noise that smooths
 * @property {number} samples  draws of it, the same at every position
 * @property {number} seed
 * @property {Float32Array} [direction]  784, instead of the gradient at the digit
 */

/**
 * Entry `row * k + column` of a surface is `column` steps along the gradient and `row` steps along the noise.
 *
 * @typedef {object} LandscapeReport
 * @property {Float64Array} plain  k * k losses
 * @property {Float64Array} smoothed  k * k, each the mean over the noise
 * @property {Float32Array} alongGradient  784, of length 1
 * @property {Float32Array} alongNoise  784, of length 1, orthogonal to the other
 * @property {boolean} flat  the gradient was exactly zero: both axes are noise
 */

/** @typedef {'logits'|'losses'|'gradient'} Wanted what is to be computed at points */

/**
 * Points for a network, and what it says of them.
 *
 * @typedef {object} Task
 * @property {string} network
 * @property {Wanted} wanted
 * @property {number} [gradients]  with `gradient`: at how many points, the first ones; at all when left out
 * @property {Float32Array} points  m * 784
 * @property {Uint8Array} labels  m; empty for logits
 * @property {string} loss  `cross_entropy`, `margin` or `dlr`
 */

/**
 * @typedef {object} Answers
 * @property {Float64Array} losses  m; empty for logits
 * @property {Float32Array} logits  m * 10
 * @property {Float32Array} gradient  784 for each point that it was asked for
 */

/**
 * @typedef {object} Call
 * @property {number} call  its number
 * @property {string} name  what is called
 * @property {any} value  its argument
 */

/**
 * @typedef {object} Reply
 * @property {number} call  the number of the call
 * @property {any} [value]  what came of it
 * @property {{name: string, message: string}} [error]  or why nothing did
 */

export {};
