import { occurrences, wordOffsets } from "../model.js";

/** @import { Context } from "../viewer.js" */

/** Below this probability a word of a sentence whose transcript is uncertain is underlined. */
const UNSURE_BELOW = 0.5;

/**
 * Marks inside the texts - what was searched for, words that were hard to make out, the word being said - drawn by the
 * CSS Custom Highlight API, which leaves the texts alone. A browser without it shows the texts unmarked.
 * @param {HTMLElement[]} rows
 * @param {Context} context
 */
export function markText(rows, { model, store }) {
  if (!("highlights" in CSS)) return;
  const [found, unsure, spoken] = ["found", "unsure", "spoken"].map((name) => {
    const highlight = new Highlight();
    CSS.highlights.set(name, highlight);
    return highlight;
  });

  for (const { at, segment } of model.sentences) {
    if (!segment.review_reasons.includes("uncertain_transcript")) continue;
    wordOffsets(segment.text, segment.words).forEach((offsets, word) => {
      if (segment.words[word].probability < UNSURE_BELOW) mark(unsure, sourceText(rows[at]), offsets);
    });
  }

  store.watch(["filter", "visible"], ({ filter, visible }) => {
    found.clear();
    if (!filter.query.trim()) return;
    for (const text of visible.flatMap((at) => [...rows[at].querySelectorAll(".text")])) {
      for (const offsets of occurrences(text.textContent ?? "", filter.query)) mark(found, text, offsets);
    }
  });

  let current = "";
  store.watch(["timeMs", "playing"], ({ timeMs, playing }) => {
    const words = model.sentences[playing]?.segment.words ?? [];
    const word = words.findIndex(({ start_ms: start, end_ms: end }) => timeMs >= start && timeMs < end);
    if (current === `${playing} ${word}`) return;
    current = `${playing} ${word}`;
    spoken.clear();
    if (word >= 0)
      mark(spoken, sourceText(rows[playing]), wordOffsets(model.sentences[playing].segment.text, words)[word]);
  });
}

/** @param {HTMLElement} row */
const sourceText = (row) => /** @type {Element} */ (row.querySelector(".source .text"));

/** @param {Highlight} highlight @param {Element} element @param {[number, number] | null} offsets */
export function mark(highlight, element, offsets) {
  const text = element.firstChild;
  if (!text || !offsets) return;
  const range = new StaticRange({
    startContainer: text,
    startOffset: offsets[0],
    endContainer: text,
    endOffset: offsets[1],
  });
  highlight.add(range);
}
