/** Stops of cividis: even in lightness, the same to eyes that tell red from green and to those that do not. */
const RISING = ['00204d', '00336f', '39486b', '575d6d', '707173', '8a8779', 'a69d75', 'c4b56c', 'e4cf5b', 'ffea46'].map(fromHex);
const SIGNED = { light: ['1b5fa5', 'f6f5f2', 'b3341f'].map(fromHex), dark: ['62b0f2', '15171a', 'f4805f'].map(fromHex) };

/** @typedef {[number, number, number]} Rgb */

/**
 * @param {string} hex
 * @returns {Rgb}
 */
function fromHex(hex) {
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)).slice(0, 3).reduce(
    (rgb, value, index) => {
      rgb[index] = value;
      return rgb;
    },
    /** @type {Rgb} */ ([0, 0, 0]),
  );
}

/**
 * @param {Rgb} from
 * @param {Rgb} to
 * @param {number} share
 * @returns {Rgb}
 */
function between(from, to, share) {
  return [0, 1, 2].map((k) => from[k] + (to[k] - from[k]) * share).reduce(
    (rgb, value, index) => {
      rgb[index] = value;
      return rgb;
    },
    /** @type {Rgb} */ ([0, 0, 0]),
  );
}

/**
 * Colour of a value from 0 (low) to 1 (high).
 *
 * @param {number} share
 */
export function rising(share) {
  const place = Math.min(1, Math.max(0, share)) * (RISING.length - 1);
  const below = Math.min(RISING.length - 2, Math.floor(place));
  return between(RISING[below], RISING[below + 1], place - below);
}

/**
 * Colour of a signed value from -1 to 1; none is the paper's colour.
 *
 * @param {number} value
 * @param {boolean} dark
 */
export function signed(value, dark) {
  const [low, none, high] = dark ? SIGNED.dark : SIGNED.light;
  return between(none, value < 0 ? low : high, Math.min(1, Math.abs(value)));
}

/** Whether the page is dark just now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
}

/** @type {Map<string, string>} */
const cache = new Map();

/**
 * What a colour of the style sheet is in this theme, in a form that canvases take.
 *
 * @param {string} name of a custom property, such as `--ink`
 */
export function themeColour(name) {
  const key = `${isDark()} ${name}`;
  let colour = cache.get(key);
  if (colour === undefined) {
    const probe = document.createElement('span');
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    colour = getComputedStyle(probe).color;
    probe.remove();
    cache.set(key, colour);
  }
  return colour;
}
