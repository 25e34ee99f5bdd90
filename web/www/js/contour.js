/**
 * Lines along which a function on a grid has some value, by marching squares; cells without a clear way are split by
 * the mean of their corners.
 *
 * @param {ArrayLike<number>} values row by row
 * @param {number} side points in a row
 * @param {number} level
 * @returns {[number, number, number, number][]} segments from (column, row) to (column, row), in points of the grid
 */
export function contour(values, side, level) {
  /** @type {[number, number, number, number][]} */
  const segments = [];
  for (let row = 0; row + 1 < side; row++) {
    for (let column = 0; column + 1 < side; column++) {
      const corners = [
        values[row * side + column],
        values[row * side + column + 1],
        values[(row + 1) * side + column + 1],
        values[(row + 1) * side + column],
      ];
      const crossings = crossingsOf(corners, level).map(([x, y]) => /** @type {[number, number]} */ ([column + x, row + y]));
      if (crossings.length === 4) {
        const middleAbove = corners.reduce((sum, value) => sum + value, 0) / 4 > level;
        const turn = middleAbove === corners[0] > level ? 0 : 3;
        for (const k of [0, 2]) segments.push([...crossings[(k + turn) % 4], ...crossings[(k + turn + 1) % 4]]);
      } else if (crossings.length === 2) {
        segments.push([...crossings[0], ...crossings[1]]);
      }
    }
  }
  return segments;
}

/**
 * Where the level crosses a cell's edges: top, right, bottom, left.
 *
 * @param {number[]} corners clockwise from the upper left
 * @param {number} level
 */
function crossingsOf(corners, level) {
  const places = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ];
  const found = [];
  for (let k = 0; k < 4; k++) {
    const from = corners[k];
    const to = corners[(k + 1) % 4];
    if (from > level === to > level) continue;
    const share = (level - from) / (to - from);
    const [x, y] = places[k];
    const [nextX, nextY] = places[(k + 1) % 4];
    found.push([x + share * (nextX - x), y + share * (nextY - y)]);
  }
  return found;
}
