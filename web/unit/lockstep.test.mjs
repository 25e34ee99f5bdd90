import assert from 'node:assert/strict';
import test from 'node:test';
import { nextSlot } from '../www/js/lockstep.js';

/** Runs two slots to their end and says in which order they stepped. */
function order(costs, steps) {
  const slots = costs.map(() => ({ passes: 0, over: false, steps: 0 }));
  const taken = [];
  for (let slot = nextSlot(slots); slot >= 0; slot = nextSlot(slots)) {
    taken.push(slot);
    slots[slot].passes += costs[slot];
    slots[slot].over = ++slots[slot].steps === steps[slot];
  }
  return taken;
}

test('a slot that costs twice as much steps half as often', () => {
  assert.deepEqual(order([1, 2], [4, 2]), [0, 1, 0, 0, 1, 0]);
});

test('neither is ever ahead by more than one step of its own', () => {
  const spent = [0, 0];
  for (const slot of order([2, 41], [820, 40])) {
    spent[slot] += [2, 41][slot];
    assert.ok(spent[slot] - spent[1 - slot] <= [2, 41][slot]);
  }
  assert.deepEqual(spent, [1640, 1640]);
});

test('a slot goes on alone when the other is over or absent', () => {
  assert.deepEqual(order([5, 1], [3, 1]), [0, 1, 0, 0]);
  assert.equal(nextSlot([null, { passes: 9, over: false }]), 1);
  assert.equal(nextSlot([null, { passes: 9, over: true }]), -1);
});
