import { byId, h } from './dom.js';

/** The longest a message stays queued behind others, in milliseconds, so that a run's end is not lost among its steps. */
const PAUSE = 250;
let timer = 0;

/**
 * Says something to screen readers without moving the focus; of messages in quick succession the last is said.
 *
 * @param {string} text
 */
export function announce(text) {
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    byId('announcements').textContent = text;
  }, PAUSE);
}

/**
 * Shows a message above everything until it is dismissed; the same message is not shown twice.
 *
 * @param {string} text
 * @param {"note" | "problem"} [kind]
 */
export function notify(text, kind = 'problem') {
  const notices = byId('notices');
  if ([...notices.children].some((each) => /** @type {HTMLElement} */ (each).dataset.text === text)) return;
  const notice = h('div', { class: `notice ${kind}`, 'data-text': text }, h('p', {}, text));
  const dismiss = h('button', { type: 'button', class: 'plain', onclick: () => notice.remove() }, 'Dismiss');
  notice.append(dismiss);
  while (notices.children.length > 2) notices.firstElementChild?.remove();
  notices.append(notice);
}

/**
 * Shows an error as its own sentence; that a newer question replaced an older one is none.
 *
 * @param {unknown} error
 */
export function report(error) {
  if (error instanceof Error && error.name === 'AbortError') return;
  notify(error instanceof Error ? error.message : String(error));
}
