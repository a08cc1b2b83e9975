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
    if (!known.has(at)) known.set(at, await explanationOf(id, model, at, desk));
    return known.get(at) ?? null;
  };
}

/** @param {string} id @param {Model} model @param {number} at @param {Desk} desk @returns {Promise<Explanation | null>} */
async function explanationOf(id, model, at, desk) {
  const { segment, label } = model.sentences[at];
  try {
    const answer = await desk.api.json(`/v1/analyses/${id}/segments/${segment.index}/explanation`);
    return {
      label: answer.label ?? label,
      words: answer.words.map(located(segment.text_en)),
    };
  } catch (error) {
    if (error instanceof Refusal && [404, 405, 501].includes(error.status)) return null;
    throw error;
  }
}

/**
 * Words with their places in the text; the service counts characters, the page UTF-16 units.
 * @param {string} text
 * @returns {(word: any) => Explanation["words"][number]}
 */
function located(text) {
  const characters = [...text];
  const units = (/** @type {number} */ count) => characters.slice(0, count).join("").length;
  return ({ text: word, word: same, start, end, weight }) => {
    const named = word ?? same ?? characters.slice(start, end).join("");
    return {
      text: named,
      start: units(start ?? 0),
      end: units(end ?? 0),
      weight,
    };
  };
}
