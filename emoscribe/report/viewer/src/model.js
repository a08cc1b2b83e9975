import { EMOTIONS, NONE } from "./emotions.js";

/** @import { Analysis, Segment } from "./analysis.js" */

/**
 * A sentence as the viewer needs it. `at` is its place in the timeline and its name everywhere in the viewer.
 * @typedef {{ at: number, segment: Segment, startMs: number, endMs: number, label: string, confidence: number,
 *   mixed: string[], searchable: string }} Sentence
 * @typedef {{ emotion: string, count: number, timeMs: number, share: number }} Share
 * @typedef {{ analysis: Analysis, sentences: Sentence[], durationMs: number, spokenMs: number, shares: Share[],
 *   reviews: number[], moments: number[], languages: string[] }} Model
 */

/** @param {Analysis} analysis @returns {Model} */
export function modelOf(analysis) {
  const sentences = analysis.segments.map(sentenceOf);
  const lastMs = sentences.reduce((last, one) => Math.max(last, one.endMs), 0);
  return {
    analysis,
    sentences,
    durationMs: Math.max(analysis.source.duration_ms, lastMs, 1),
    spokenMs: sentences.reduce((sum, one) => sum + one.endMs - one.startMs, 0),
    shares: sharesOf(sentences),
    reviews: sentences.filter((one) => one.segment.needs_review).map((one) => one.at),
    moments: momentsOf(sentences),
    languages: [...new Set(analysis.segments.map((segment) => segment.language))],
  };
}

/** @param {Segment} segment @param {number} at @returns {Sentence} */
function sentenceOf(segment, at) {
  return {
    at,
    segment,
    startMs: segment.start_ms,
    endMs: Math.max(segment.end_ms, segment.start_ms),
    label: segment.emotion?.label ?? NONE,
    confidence: segment.emotion?.confidence ?? 0,
    mixed: segment.emotion?.mixed.filter((label) => label !== segment.emotion?.label) ?? [],
    searchable: `${folded(segment.text)}\n${folded(segment.text_en)}`,
  };
}

/** @param {Sentence[]} sentences @returns {number[]} where each emotion but neutral is expressed most strongly, in order */
function momentsOf(sentences) {
  /** @type {Map<string, Sentence>} */
  const strongest = new Map();
  for (const one of sentences) {
    if (one.label === NONE || one.label === "neutral") continue;
    const best = strongest.get(one.label);
    if (!best || one.confidence > best.confidence) strongest.set(one.label, one);
  }
  return [...strongest.values()].map((one) => one.at).sort((a, b) => a - b);
}

/** @param {Sentence[]} sentences @returns {Share[]} every emotion, and sentences without one if there are any */
function sharesOf(sentences) {
  const shares = [...EMOTIONS, NONE].map((emotion) => {
    const own = sentences.filter((one) => one.label === emotion);
    const timeMs = own.reduce((sum, one) => sum + one.endMs - one.startMs, 0);
    return { emotion, count: own.length, timeMs, share: 0 };
  });
  const totalMs = shares.reduce((sum, share) => sum + share.timeMs, 0);
  for (const share of shares) share.share = totalMs ? share.timeMs / totalMs : 0;
  return shares.filter((share) => share.emotion !== NONE || share.count > 0);
}

/** @param {string} text @returns {string} lower case, without accents: "Preço" is found by "preco" */
export function folded(text) {
  return text
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .toLowerCase();
}

/**
 * Where a search is found in a text, as pairs of offsets into the text itself.
 * @param {string} text
 * @param {string} query
 * @returns {[number, number][]}
 */
export function occurrences(text, query) {
  const sought = folded(query.trim());
  if (!sought) return [];
  const origins = [];
  let plain = "";
  for (let offset = 0; offset < text.length;) {
    const char = String.fromCodePoint(/** @type {number} */ (text.codePointAt(offset)));
    const fold = folded(char);
    for (let at = 0; at < fold.length; at += 1) origins.push([offset, offset + char.length]);
    plain += fold;
    offset += char.length;
  }
  /** @type {[number, number][]} */
  const found = [];
  for (let at = plain.indexOf(sought); at >= 0; at = plain.indexOf(sought, at + sought.length)) {
    found.push([origins[at][0], origins[at + sought.length - 1][1]]);
  }
  return found;
}

/**
 * Offsets of each word in a text; a word that is not found where it should be has none.
 * @param {string} text
 * @param {{ text: string }[]} words in order
 * @returns {([number, number] | null)[]}
 */
export function wordOffsets(text, words) {
  let from = 0;
  return words.map((word) => {
    const at = word.text ? text.indexOf(word.text, from) : -1;
    if (at < 0) return null;
    from = at + word.text.length;
    return [at, from];
  });
}

/**
 * The sentence said at a time, or -1 between sentences.
 * @param {Sentence[]} sentences in order of their start
 * @param {number} timeMs
 */
export function sentenceAt(sentences, timeMs) {
  const at = lastStartedBy(sentences, timeMs);
  return at >= 0 && timeMs < Math.max(sentences[at].endMs, sentences[at].startMs + 1) ? at : -1;
}

/**
 * The sentence said at a time, or the nearest one; -1 if there are none.
 * @param {Sentence[]} sentences
 * @param {number} timeMs
 */
export function nearestSentence(sentences, timeMs) {
  const before = lastStartedBy(sentences, timeMs);
  const after = before + 1;
  if (after >= sentences.length) return before;
  if (before < 0) return after;
  return timeMs - sentences[before].endMs <= sentences[after].startMs - timeMs ? before : after;
}

/** @param {Sentence[]} sentences @param {number} timeMs */
function lastStartedBy(sentences, timeMs) {
  let low = 0;
  let high = sentences.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sentences[middle].startMs <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
