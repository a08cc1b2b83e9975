import { emotionName } from "../../report/viewer/src/emotions.js";
import { clock } from "../../report/viewer/src/format.js";

/** @import { Filter } from "../../report/viewer/src/filter.js" */
/** @import { Context } from "../../report/viewer/src/viewer.js" */
/** @import { Desk } from "./types.d.ts" */

const OPENING = '<script type="application/json" id="analysis">';
const CLOSING = "</script>";

/** @param {Filter} filter @returns {string} in words */
export function describe(filter) {
  const parts = [
    filter.emotions.map(emotionName).join(" or ") +
      (filter.emotions.length && filter.withMixed ? " (also mixed in)" : ""),
    filter.minConfidence ? `confidence at least ${filter.minConfidence} %` : "",
    filter.reviewOnly ? "to review" : "",
    filter.decidedOnly ? "decided by people" : "",
    filter.between ? `${clock(filter.between[0])} to ${clock(filter.between[1])}` : "",
    filter.query.trim() ? `with “${filter.query.trim()}”` : "",
  ];
  return parts.filter(Boolean).join(", ");
}

/**
 * The report, with only the sentences that are shown. Its script and policy stay as the service made them; only the
 * data in it, which is inert, is another.
 * @param {string} base address of the analysis
 * @param {Context} context
 * @param {Desk} desk
 * @returns {Promise<Blob>}
 */
export async function selectionReport(base, { model, store }, desk) {
  const page = await (await desk.api.request(`${base}/result.html`)).text();
  const { filter, visible } = store.get();
  const { analysis } = model;
  const selection = `${visible.length} of ${analysis.segments.length} sentences: ${describe(filter)}`;
  const chosen = {
    ...analysis,
    segments: visible.map((at) => model.sentences[at].segment),
    settings: { ...analysis.settings, selection },
  };
  const from = page.indexOf(OPENING) + OPENING.length;
  const to = page.indexOf(CLOSING, from);
  if (from < OPENING.length || to < 0) throw new Error("The report of the service is not as expected.");
  return new Blob([page.slice(0, from), inert(chosen), page.slice(to)], {
    type: "text/html",
  });
}

/** JSON that holds none of the characters by which a script element could end. @param {unknown} value */
function inert(value) {
  return JSON.stringify(value).replace(/[&<>]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
}
