import { Refusal } from "./api.js";

/** @import { Explanation } from "../../report/viewer/src/analysis.js" */
/** @import { Model } from "../../report/viewer/src/model.js" */
/** @import { Desk } from "./types.d.ts" */

/**
 * Explanations, each fetched once.
 * @param {string} id
 * @param {Model} model
 * @param {Desk} desk
 * @returns {(at: number) => Promise<Explanation | null>}
 */
export function explainer(id, model, desk) {
  /** @type {Map<number, Explanation | null>} */
  const known = new Map();
  return async (at) => {
    const { index } = model.sentences[at].segment;
    if (!known.has(at)) known.set(at, await explanationOf(`/v1/analyses/${id}/segments/${index}`, desk));
    return known.get(at) ?? null;
  };
}

/**
 * @param {string} segment its address
 * @param {Desk} desk
 * @returns {Promise<Explanation | null>} null: this service has none
 */
async function explanationOf(segment, desk) {
  try {
    return (await desk.api.json(`${segment}/explanation`)).explanation;
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return null;
    throw error;
  }
}
