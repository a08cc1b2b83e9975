import { EMOTIONS, NONE } from "./emotions.js";
import { folded } from "./model.js";

/** @import { Decision } from "./analysis.js" */
/** @import { Sentence } from "./model.js" */

/**
 * What the reader wants to see. No emotions chosen means all; `between` is a stretch of time, in milliseconds.
 * @typedef {{ emotions: string[], withMixed: boolean, minConfidence: number, reviewOnly: boolean,
 *   decidedOnly: boolean, between: [number, number] | null, query: string }} Filter
 */

/** @type {Filter} */
export const NO_FILTER = {
  emotions: [],
  withMixed: false,
  minConfidence: 0,
  reviewOnly: false,
  decidedOnly: false,
  between: null,
  query: "",
};

/** @param {Filter} filter @returns {boolean} */
export function isFiltering(filter) {
  const { emotions, minConfidence, reviewOnly, decidedOnly, between, query } = filter;
  return Boolean(emotions.length || minConfidence || reviewOnly || decidedOnly || between || query.trim());
}

/**
 * @param {Sentence[]} sentences
 * @param {Filter} filter
 * @param {ReadonlyMap<number, Decision>} decisions what people decided counts for what it is; else the model's answer
 * @returns {number[]} the places of the sentences that pass
 */
export function passing(sentences, filter, decisions) {
  const query = folded(filter.query.trim());
  return sentences.filter((one) => passes(one, filter, query, decisions.get(one.at))).map((one) => one.at);
}

/** @param {Sentence} one @param {Filter} filter @param {string} query folded @param {Decision | undefined} decision */
function passes(one, filter, query, decision) {
  if (filter.reviewOnly && !one.segment.needs_review) return false;
  if (filter.decidedOnly && !decision) return false;
  if (filter.between && (one.endMs <= filter.between[0] || one.startMs >= filter.between[1])) return false;
  if (filter.minConfidence && one.confidence * 100 < filter.minConfidence) return false;
  if (query && !one.searchable.includes(query)) return false;
  const { label, mixed } = decision ?? one;
  if (!filter.emotions.length || filter.emotions.includes(label)) return true;
  return filter.withMixed && mixed.some((another) => filter.emotions.includes(another));
}

/**
 * The filter and the selected sentence as the part of the address after "#", without what is not set.
 * @param {Filter} filter
 * @param {number | null} selected
 */
export function toFragment(filter, selected) {
  const params = new URLSearchParams();
  if (selected !== null) params.set("s", String(selected));
  if (filter.emotions.length) params.set("emotion", filter.emotions.join(" "));
  if (filter.withMixed) params.set("mixed", "1");
  if (filter.minConfidence) params.set("min", String(filter.minConfidence));
  if (filter.reviewOnly) params.set("review", "1");
  if (filter.decidedOnly) params.set("decided", "1");
  if (filter.between) params.set("between", filter.between.map((timeMs) => (timeMs / 1000).toFixed(1)).join("-"));
  if (filter.query.trim()) params.set("q", filter.query.trim());
  return params.toString();
}

/**
 * The reverse of toFragment; anything that makes no sense is ignored.
 * @param {string} fragment
 * @returns {{ filter: Filter, selected: number | null, time: string | null }}
 */
export function fromFragment(fragment) {
  const params = new URLSearchParams(fragment.replace(/^#/, ""));
  const known = new Set([...EMOTIONS, NONE]);
  const selected = params.get("s");
  const least = Number(params.get("min"));
  return {
    filter: {
      emotions: [...new Set((params.get("emotion") ?? "").split(/[ ,]+/))].filter((emotion) => known.has(emotion)),
      withMixed: params.get("mixed") === "1",
      minConfidence: least > 0 && least <= 100 ? Math.round(least) : 0,
      reviewOnly: params.get("review") === "1",
      decidedOnly: params.get("decided") === "1",
      between: stretch(params.get("between") ?? ""),
      query: params.get("q") ?? "",
    },
    selected: selected !== null && /^\d{1,9}$/.test(selected) ? Number(selected) : null,
    time: params.get("t"),
  };
}

/** @param {string} text seconds, as "12.5-60" @returns {[number, number] | null} milliseconds */
function stretch(text) {
  const found = /^(\d{1,7}(?:\.\d{1,3})?)-(\d{1,7}(?:\.\d{1,3})?)$/.exec(text);
  if (!found) return null;
  const [from, to] = [Math.round(Number(found[1]) * 1000), Math.round(Number(found[2]) * 1000)];
  return from < to ? [from, to] : null;
}
