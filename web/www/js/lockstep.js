/**
 * @typedef {object} Pace what a slot has spent so far
 * @property {number} passes forward and backward passes of the network
 * @property {boolean} over no step is left
 */

/**
 * Which slot steps next, so that both have spent about the same number of passes at any moment: whichever has spent
 * fewer, the first of equals, and a slot that is over never.
 *
 * @param {(Pace | null)[]} slots null where a slot takes no part
 * @returns {number} index of the slot, or -1 when none has a step left
 */
export function nextSlot(slots) {
  let next = -1;
  let fewest = Infinity;
  slots.forEach((slot, index) => {
    if (slot && !slot.over && slot.passes < fewest) {
      next = index;
      fewest = slot.passes;
    }
  });
  return next;
}
