import { asThePaper, strong } from './presets.js';

/** @import { Settings } from './presets.js' */
/**
 * @typedef {object} Step
 * @property {string} title
 * @property {string[]} text
 * @property {string} question
 * @property {string[]} answers
 * @property {{name: string, attack: Settings}[]} attacks run on ten digits when the answer is revealed
 * @property {string} button
 * @property {string[]} explanation
 */

/** @param {Settings["kind"]} kind */
const shortened = (kind) => ({ ...strong(kind, 'l2'), steps: 100, stepSize: 0.125 });

/** @type {Step[]} */
export const STEPS = [
  {
    title: 'A change that you would not mind',
    text: [
      'A classifier should not change its mind when an image changes a little. What is little needs a norm and a radius. In l∞ 0.3 every pixel may change by up to 0.3 of the way from black to white; no pixel by more.',
      'An attack looks for a change within that ball that makes the network wrong. It uses the gradient: the direction in which the network’s loss rises fastest. FGSM takes a single step along its signs, PGD many small ones, and comes back to the ball after each.',
      'The network below was trained on just such examples, against l∞ 0.3.',
    ],
    question: 'Of ten test digits, how many will PGD with 40 steps turn within l∞ 0.3, so that some step is read wrongly?',
    answers: ['None or one', 'About half', 'Nearly all'],
    attacks: [{ name: 'PGD, l∞ 0.3, 40 steps', attack: asThePaper('pgd', 'linf') }],
    button: 'Attack ten digits',
    explanation: [
      'Training against an attack helps against that attack. For how many of ten it did is above, with an interval that says how little ten digits tell: that is what the batch is for.',
      'What was measured is an upper bound. That this attack fails on a digit does not prove that no change within the ball succeeds.',
    ],
  },
  {
    title: 'Another norm',
    text: [
      'The l2 ball measures otherwise: it adds the squares of all changes. A few pixels may change much, or all of them a little. This network was never trained against it.',
      'The paper attacks it by PGD in l2 4.0: each step adds the gradient itself, times a step size. That is the formula as it is printed.',
    ],
    question: 'How many of the ten digits will this attack turn?',
    answers: ['Few: robust in one norm is robust in the other', 'About half', 'Nearly all'],
    attacks: [{ name: 'PGD with the raw gradient, l2 4.0, 40 steps', attack: asThePaper('pgd', 'l2') }],
    button: 'Attack by PGD as printed',
    explanation: [
      'On our network this attack left 85 % of 1,000 test digits standing, which looks like robustness that carries over from one norm to another.',
      'Look at the length of the gradient in the first view. Where the network is sure of its class, the softmax is saturated and the gradient of the loss is tiny. A step that is proportional to it goes almost nowhere. The attack did not meet resistance: it did not move.',
    ],
  },
  {
    title: 'A step that moves',
    text: [
      'Take the same gradient and only its direction: every step has the same length, long enough that all of them together cross the ball several times. Nothing else changes: no better gradient, no more steps.',
    ],
    question: 'How many of the ten digits does PGD turn now, in the same ball with the same number of steps?',
    answers: ['As many as before', 'Somewhat more', 'Most of them'],
    attacks: [
      { name: 'PGD with the raw gradient, l2 4.0, 40 steps', attack: asThePaper('pgd', 'l2') },
      { name: 'PGD with steps of length 0.5, l2 4.0, 40 steps', attack: { ...asThePaper('pgd', 'l2'), rule: 'unit', stepSize: 0.5 } },
    ],
    button: 'Attack both ways',
    explanation: [
      'The difference between these two rows is the attack’s, not the network’s. Low accuracy under an attack is evidence against a network. High accuracy is evidence for it only as far as the attack was a good one.',
      'Before you believe that a network is robust, ask how far the attack travelled, and whether it breaks a network that nobody defended.',
    ],
  },
  {
    title: 'Noise finds the way',
    text: [
      'The paper’s S-O attack averages gradients at points with Gaussian noise around the image, and argues from second-order information: curvature. It can be put to the test. Split the average into the part in which curvature cancels (even: gradients at x + d and x − d added) and the part that is curvature alone (odd: their difference).',
      'The smaller ball l2 2.0, 100 steps with one sample each. The landscape view shows what averaging does to the loss.',
    ],
    question: 'If S-O owes its strength to second-order information, which part should do as well as the whole?',
    answers: ['The odd part', 'The even part', 'Neither'],
    attacks: [
      { name: 'PGD', attack: shortened('pgd') },
      { name: 'S-O', attack: shortened('so') },
      { name: 'S-O, even part', attack: shortened('so_even') },
      { name: 'S-O, odd part', attack: shortened('so_odd') },
    ],
    button: 'Attack four ways',
    explanation: [
      'Second-order information would be in the odd part. In our first measurements, on one kind of network trained with three seeds and 500 digits each, the even part did what S-O does, and the odd part left about four times as many digits at l2 2.0.',
      'So S-O’s power there seems to be that of smoothing: noise averages over a surface that hides its slope from a gradient at one point. On other networks noise helped little or did harm; ten digits here cannot settle it. The even part costs two gradients a sample.',
    ],
  },
  {
    title: 'What no classifier can do',
    text: [
      'The paper’s table holds networks that keep 97 % of the digits at l2 4.0. Before asking how, ask whether it is possible.',
      'Two test digits of different classes less than 8.0 apart have balls of radius 4.0 that meet. The midpoint lies in both.',
    ],
    question: 'Can a classifier be robust at l2 4.0 on both digits of such a pair?',
    answers: ['Yes, a good one can', 'Only with enough training', 'No, none can'],
    attacks: [],
    button: 'Show such a pair',
    explanation: [
      'A classifier gives the midpoint one class, and so it is wrong about at least one of the two. Among the 10,000 test digits 4,527 such pairs share no digit, so no classifier can be robust on more than 54.73 % of them at l2 4.0; groups of digits that are all in conflict with one another bring the bound for deterministic classifiers down to 44.46 %.',
      'An accuracy of 97 % at that radius is therefore no property of a network. It measures an attack that failed.',
    ],
  },
];
