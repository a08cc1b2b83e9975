/** @import { Sentence } from "./model.js" */

/** Where less of the window than this is speech, the curve sinks towards zero instead of speaking for the silence. */
const FULL_SPEECH_SHARE = 0.25;

/**
 * How strongly one emotion is expressed around a time: its mean probability over the speech in a window, sinking
 * towards zero where there is hardly any speech. Prefix sums make each value two binary searches.
 * @param {Sentence[]} sentences in order of their start
 * @param {string} emotion
 * @returns {(timeMs: number, windowMs: number) => number} in [0, 1]
 */
export function smoothedIntensity(sentences, emotion) {
  const speech = runningSum(sentences, () => 1);
  const scored = runningSum(sentences, (one) => one.segment.emotion?.scores[emotion] ?? 0);
  return (timeMs, windowMs) => {
    const [from, to] = [timeMs - windowMs / 2, timeMs + windowMs / 2];
    const spoken = speech(to) - speech(from);
    const weight = Math.max(spoken, windowMs * FULL_SPEECH_SHARE);
    return weight > 0 ? (scored(to) - scored(from)) / weight : 0;
  };
}

/**
 * How much of the time around a moment somebody speaks.
 * @param {Sentence[]} sentences in order of their start
 * @returns {(timeMs: number, windowMs: number) => number} in [0, 1]
 */
export function speechDensity(sentences) {
  const speech = runningSum(sentences, () => 1);
  return (timeMs, windowMs) => Math.min((speech(timeMs + windowMs / 2) - speech(timeMs - windowMs / 2)) / windowMs, 1);
}

/**
 * The integral, from 0 to a time, of a value that holds during each sentence and is 0 between them.
 * @param {Sentence[]} sentences
 * @param {(one: Sentence) => number} value
 * @returns {(timeMs: number) => number}
 */
function runningSum(sentences, value) {
  const starts = sentences.map((one) => one.startMs);
  const before = [0];
  for (const one of sentences) before.push(before[before.length - 1] + value(one) * (one.endMs - one.startMs));
  return (timeMs) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= timeMs) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    const last = sentences[low - 1];
    return before[low - 1] + value(last) * Math.min(timeMs - last.startMs, last.endMs - last.startMs);
  };
}
