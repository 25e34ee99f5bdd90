import { byId } from './dom.js';

const KEY = 'saddle-theme';
const NAMES = /** @type {const} */ ({ auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' });
/** @typedef {keyof typeof NAMES} Theme */

/**
 * The button that goes from the system's theme to light to dark; the choice outlives the visit where storage is allowed.
 *
 * @param {() => void} onChange canvases hold colours of their own
 */
export function startTheme(onChange) {
  const button = byId('theme');
  let theme = /** @type {Theme} */ ('auto');
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === 'light' || kept === 'dark') theme = kept;
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
  const apply = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = NAMES[theme];
    onChange();
  };
  button.addEventListener('click', () => {
    theme = theme === 'auto' ? 'light' : theme === 'light' ? 'dark' : 'auto';
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // As above.
    }
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  apply();
}
