import { h } from "./dom.js";
import { plainName } from "./format.js";

/** @import { Analysis, Host } from "./analysis.js" */

/** @param {Document} page @returns {Analysis} the analysis written into the page */
export function embeddedAnalysis(page) {
  return JSON.parse(page.getElementById("analysis")?.textContent ?? "");
}

/** A file that stands alone, with the recording beside it. @type {Host} */
export const FILE = {
  brand: "EmoScribe report",
  tools: () => [],
  side: () => [],
  mediaUrl: async (analysis) => besideUrl(analysis.source.name),
  absence(analysis) {
    const { name } = analysis.source;
    const file = plainName(name.split(/[/\\]/).at(-1) ?? name);
    return [
      "To watch and listen, put ",
      h("bdi", { class: "file" }, file),
      " beside this report or choose it. (Not found, or not playable in this browser.)",
    ];
  },
  commands: () => ({}),
  keys: [],
  explain: null,
  hasDecisions: false,
};

/**
 * The address of a file beside the page. Only the last part of the name counts, and it is encoded, so that no name
 * can lead out of the folder or be taken for another scheme.
 * @param {string} name file name or object key
 */
export function besideUrl(name) {
  const file = name.split(/[/\\]/).at(-1) ?? "";
  return ["", ".", ".."].includes(file) ? null : `./${encodeURIComponent(file)}`;
}
