import { s } from "./dom.js";

/** In the order they are shown; neutral last, because it is the ground the others stand out from. */
export const EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"];

/** Stands for a sentence that was given no emotion. */
export const NONE = "none";

/** @param {string} emotion @returns {string} */
export function emotionName(emotion) {
  return emotion === NONE ? "No emotion" : emotion.charAt(0).toUpperCase() + emotion.slice(1);
}

/** @type {Record<string, string>} */
const REASONS = {
  low_confidence: "The emotion is uncertain",
  suspect_hallucination: "Perhaps nothing was said here: the text may be invented",
  uncertain_language: "The language is uncertain",
  uncertain_transcript: "Words were hard to make out",
};

/** @param {string} reason @returns {string} in plain words; one we do not know as it stands */
export function reasonText(reason) {
  return Object.hasOwn(REASONS, reason) ? REASONS[reason] : reason;
}

/**
 * Faces, drawn in a box of 24: strokes, then dots as [x, y, radius].
 * @type {Record<string, { strokes: string, dots: number[][] }>}
 */
const FACES = {
  anger: {
    strokes: "M6.8 8.2l3.6 1.9M17.2 8.2l-3.6 1.9M8.3 16.6q3.7-2.8 7.4 0",
    dots: [
      [9.2, 11.6, 1.1],
      [14.8, 11.6, 1.1],
    ],
  },
  disgust: {
    strokes: "M7 9.2l3.2 1.2L7 11.6M17 9.2l-3.2 1.2 3.2 1.2M7.5 16.2q1.5-1.8 3 0t3 0 3 0",
    dots: [],
  },
  fear: {
    strokes:
      "M6.6 7.6l2.9-1.3M17.4 7.6l-2.9-1.3M9.4 16.9q2.6-3 5.2 0zM7.4 10.6a1.7 1.7 0 1 0 3.4 0a1.7 1.7 0 1 0-3.4 0M13.2 10.6a1.7 1.7 0 1 0 3.4 0a1.7 1.7 0 1 0-3.4 0",
    dots: [],
  },
  happiness: {
    strokes: "M7.3 13.8q4.7 5.4 9.4 0",
    dots: [
      [9, 9.6, 1.2],
      [15, 9.6, 1.2],
    ],
  },
  sadness: {
    strokes: "M6.9 8.9l3-1.5M17.1 8.9l-3-1.5M8 16.9q4-4 8 0",
    dots: [
      [9, 11.2, 1.1],
      [15, 11.2, 1.1],
    ],
  },
  surprise: {
    strokes: "M7.2 7.1q1.6-1.4 3.2 0M13.6 7.1q1.6-1.4 3.2 0M9.9 15.6a2.1 2.4 0 1 0 4.2 0a2.1 2.4 0 1 0-4.2 0",
    dots: [
      [9, 10.3, 1.1],
      [15, 10.3, 1.1],
    ],
  },
  neutral: {
    strokes: "M8.2 15.4h7.6",
    dots: [
      [9, 10, 1.1],
      [15, 10, 1.1],
    ],
  },
  none: { strokes: "M9.8 9.6q.2-2.2 2.3-2.2t2.2 2q0 1.3-1.3 2.1-1 .7-1 2.1", dots: [[12, 16.6, 1.1]] },
};

/** @type {Map<string, SVGSVGElement>} */
const drawn = new Map(); // thousands are shown: copying one is several times faster than drawing it

/**
 * @param {string} emotion
 * @returns {SVGSVGElement} a face in the emotion's colour; decoration: the name stands beside it
 */
export function emotionIcon(emotion) {
  const icon = drawn.get(emotion) ?? draw(emotion);
  drawn.set(emotion, icon);
  return /** @type {SVGSVGElement} */ (icon.cloneNode(true));
}

/** @param {string} emotion @returns {SVGSVGElement} */
function draw(emotion) {
  const face = Object.hasOwn(FACES, emotion) ? FACES[emotion] : FACES.none;
  return s(
    "svg",
    { class: "face", viewBox: "0 0 24 24", "aria-hidden": "true", "data-emotion": emotion },
    s("circle", { cx: 12, cy: 12, r: 10 }),
    s("path", { d: face.strokes }),
    ...face.dots.map(([cx, cy, r]) => s("circle", { class: "dot", cx, cy, r })),
  );
}
