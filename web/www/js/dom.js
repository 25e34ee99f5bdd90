/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | EventListener>} Attributes */

/**
 * An HTML element with attributes, listeners (`onclick: handler`) and children.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes] `false`, null and undefined leave an attribute out, `true` sets it empty
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, attributes, children);
  return element;
}

/**
 * The same for SVG.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  assign(element, attributes, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function assign(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child instanceof Node || (typeof child === 'string' && child !== '')).map((child) => /** @type {Node | string} */ (child)));
}

/**
 * An element of the document that must be there.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element “${id}”`);
  return element;
}

let pending = new Set();

/**
 * Calls `draw` once before the next picture, however often it is asked for in between.
 *
 * @param {() => void} draw the same function each time
 */
export function soon(draw) {
  if (pending.size === 0) {
    requestAnimationFrame(() => {
      const due = pending;
      pending = new Set();
      for (const each of due) each();
    });
  }
  pending.add(draw);
}

let identifiers = 0;

/**
 * A label over a control.
 *
 * @param {string} text
 * @param {HTMLElement} control
 * @param {string} [className]
 */
export function labelled(text, control, className = '') {
  control.id ||= `control-${++identifiers}`;
  return h('div', { class: `field ${className}` }, h('label', { for: control.id }, text), control);
}

/**
 * A select of words and what they are called.
 *
 * @param {[string, string][]} options
 * @param {(value: string) => void} onChange
 */
export function select(options, onChange) {
  const element = h('select', {}, ...options.map(([value, text]) => h('option', { value }, text)));
  element.addEventListener('change', () => onChange(element.value));
  return element;
}

/**
 * A number for people: three significant digits, powers of ten where there is no other way.
 *
 * @param {number} value
 */
export function figure(value) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 0.001 || size >= 1e5) return value.toExponential(1).replace('e', ' e').replace('-', '−');
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3).replace('-', '−');
}

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
