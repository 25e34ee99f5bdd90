/** Side of an MNIST image, and of the box that its digit is scaled into. */
export const SIDE = 28;
const BOX = 20;

/**
 * A drawing as MNIST prepares its digits: the ink's bounding box is scaled, its shape kept, into 20 x 20 pixels by the
 * mean over areas, which is what smooths its edges, and laid into 28 x 28 so that its centre of mass is in the middle.
 *
 * @param {ArrayLike<number>} ink row by row, 0 (paper) to 255 (ink)
 * @param {number} width
 * @param {number} height
 * @returns {Uint8Array | null} 784 grey values; null without ink
 */
export function centreAsMnist(ink, width, height) {
  const box = boundingBox(ink, width, height);
  if (!box) return null;
  const longer = Math.max(box.right - box.left, box.bottom - box.top);
  const scale = BOX / longer;
  const columns = Math.max(1, Math.round((box.right - box.left) * scale));
  const rows = Math.max(1, Math.round((box.bottom - box.top) * scale));
  const small = new Float64Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      small[row * columns + column] = meanOver(
        ink,
        width,
        box.left + ((box.right - box.left) * column) / columns,
        box.left + ((box.right - box.left) * (column + 1)) / columns,
        box.top + ((box.bottom - box.top) * row) / rows,
        box.top + ((box.bottom - box.top) * (row + 1)) / rows,
      );
    }
  }
  return layByMass(small, columns, rows);
}

/**
 * @param {ArrayLike<number>} ink
 * @param {number} width
 * @param {number} height
 */
function boundingBox(ink, width, height) {
  let left = width;
  let right = 0;
  let top = height;
  let bottom = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (ink[row * width + column] <= 0) continue;
      left = Math.min(left, column);
      right = Math.max(right, column + 1);
      top = Math.min(top, row);
      bottom = Math.max(bottom, row + 1);
    }
  }
  return right > left ? { left, right, top, bottom } : null;
}

/**
 * Mean of the ink over a rectangle with fractional edges.
 *
 * @param {ArrayLike<number>} ink
 * @param {number} width
 * @param {number} left
 * @param {number} right
 * @param {number} top
 * @param {number} bottom
 */
function meanOver(ink, width, left, right, top, bottom) {
  let sum = 0;
  for (let row = Math.floor(top); row < Math.ceil(bottom); row++) {
    const tall = Math.min(bottom, row + 1) - Math.max(top, row);
    for (let column = Math.floor(left); column < Math.ceil(right); column++) {
      const wide = Math.min(right, column + 1) - Math.max(left, column);
      sum += ink[row * width + column] * tall * wide;
    }
  }
  return sum / ((right - left) * (bottom - top));
}

/**
 * @param {Float64Array} small
 * @param {number} columns
 * @param {number} rows
 */
function layByMass(small, columns, rows) {
  let mass = 0;
  let horizontal = 0;
  let vertical = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const weight = small[row * columns + column];
      mass += weight;
      horizontal += weight * (column + 0.5);
      vertical += weight * (row + 0.5);
    }
  }
  if (mass === 0) return null;
  const left = within(Math.round(SIDE / 2 - horizontal / mass), SIDE - columns);
  const top = within(Math.round(SIDE / 2 - vertical / mass), SIDE - rows);
  const image = new Uint8Array(SIDE * SIDE);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      image[(top + row) * SIDE + left + column] = Math.round(small[row * columns + column]);
    }
  }
  return image;
}

/**
 * @param {number} offset
 * @param {number} most
 */
function within(offset, most) {
  return Math.min(most, Math.max(0, offset));
}
