/** @import { Analysis, Source } from "./analysis.js" */

/**
 * The analysis written into the page, and the recording beside it.
 * @param {Document} page
 * @returns {Source}
 */
export function embeddedSource(page) {
  return {
    async load() {
      return JSON.parse(page.getElementById("analysis")?.textContent ?? "");
    },
    mediaUrl: (analysis) => besideUrl(analysis.source.name),
  };
}

/**
 * The address of a file beside the page. Only the last part of the name counts, and it is encoded, so that no name
 * can lead out of the folder or be taken for another scheme.
 * @param {string} name file name or object key
 */
export function besideUrl(name) {
  const file = name.split(/[/\\]/).at(-1) ?? "";
  return ["", ".", ".."].includes(file) ? null : `./${encodeURIComponent(file)}`;
}
