import { EMOTIONS } from "../../../report/viewer/src/emotions.js";

/** @import { Review } from "./review.js" */

export const REVIEW_KEYS = [
  ["v", "Begin and end the review"],
  ["1", "…", "7", "Review: the emotion is this one, next"],
  ["Shift 1", "…", "7", "Review: this one is mixed in"],
  ["a", "Review: accept the model's answer, next"],
  ["n", "b", "Review: leave it and go on; back"],
  ["h", "Hear the selected sentence"],
  ["u", "Review: undo"],
];

/** @param {Review} review @returns {Record<string, () => void>} */
export function reviewCommands(review) {
  const isOn = () => review.store.get().isOn;
  /** @type {Record<string, () => void>} */
  const keys = {
    a: review.accept,
    n: () => review.go(1),
    b: () => review.go(-1),
    u: review.undo,
  };
  EMOTIONS.forEach((emotion, at) => {
    keys[String(at + 1)] = () => review.correct(emotion);
    keys[`Shift ${at + 1}`] = () => review.toggleMixed(emotion);
  });
  const active = Object.entries(keys).map(([key, act]) => [key, () => isOn() && act()]);
  return {
    v: review.toggle,
    ...Object.fromEntries(active),
    h: review.hear,
  };
}
