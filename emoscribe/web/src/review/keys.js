import { EMOTIONS } from "../../../report/viewer/src/emotions.js";

/** @import { Context } from "../../../report/viewer/src/viewer.js" */
/** @import { Review } from "./review.js" */

export const REVIEW_KEYS = [
  ["v", "Begin and end the review"],
  ["1", "…", "7", "Review: the emotion is this one, next"],
  ["Shift 1", "…", "7", "Review: this one is mixed in"],
  ["a", "Review: accept the model's answer, next"],
  ["n", "b", "Review: leave it and go on; back"],
  ["h", "Review: hear it"],
  ["u", "Review: undo"],
];

/** @param {Review} review @param {Context} context @returns {Record<string, () => void>} */
export function reviewCommands(review, context) {
  const isOn = () => review.store.get().isOn;
  /** @type {Record<string, () => void>} */
  const keys = {
    a: review.accept,
    n: () => review.go(1),
    b: () => review.go(-1),
    h: review.hear,
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
    h: () => hear(review, context),
  };
}

/** Any selected sentence can be heard, in a review or not. @param {Review} review @param {Context} context */
function hear(review, context) {
  const { selected } = context.store.get();
  if (review.store.get().isOn) review.hear();
  else if (selected !== null) context.actions.playOnly(selected);
}
