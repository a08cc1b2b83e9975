import { EMOTIONS, NONE } from "./emotions.js";
import { folded } from "./model.js";

/** @import { Sentence } from "./model.js" */

/**
 * What the reader wants to see. No emotions chosen means all.
 * @typedef {{ emotions: string[], withMixed: boolean, minConfidence: number, reviewOnly: boolean, query: string }} Filter
 */

/** @type {Filter} */
export const NO_FILTER = { emotions: [], withMixed: false, minConfidence: 0, reviewOnly: false, query: "" };

/** @param {Filter} filter @returns {boolean} */
export function isFiltering(filter) {
  return Boolean(filter.emotions.length || filter.minConfidence || filter.reviewOnly || filter.query.trim());
}

/** @param {Sentence[]} sentences @param {Filter} filter @returns {number[]} the places of the sentences that pass */
export function passing(sentences, filter) {
  const query = folded(filter.query.trim());
  return sentences.filter((one) => passes(one, filter, query)).map((one) => one.at);
}

/** @param {Sentence} one @param {Filter} filter @param {string} query folded */
function passes(one, filter, query) {
  if (filter.reviewOnly && !one.segment.needs_review) return false;
  if (filter.minConfidence && one.confidence * 100 < filter.minConfidence) return false;
  if (query && !one.searchable.includes(query)) return false;
  if (!filter.emotions.length || filter.emotions.includes(one.label)) return true;
  return filter.withMixed && one.mixed.some((label) => filter.emotions.includes(label));
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
      query: params.get("q") ?? "",
    },
    selected: selected !== null && /^\d{1,9}$/.test(selected) ? Number(selected) : null,
    time: params.get("t"),
  };
}
