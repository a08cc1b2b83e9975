import { h } from "../dom.js";
import { emotionName } from "../emotions.js";

/** @import { Explanation, Host } from "../analysis.js" */
/** @import { Sentence } from "../model.js" */

const MOST_WORDS = 5;
const WORTH_NAMING = 0.1; // of the strongest word's weight

/**
 * Which words the label rests on, when asked. They are marked in the English text and named below it.
 * @param {Sentence} one
 * @param {NonNullable<Host["explain"]>} explain
 */
export function explanationView(one, explain) {
  const box = h("div", { class: "why" });
  const button = h(
    "button",
    { type: "button", class: "quiet", "aria-keyshortcuts": "e", on: { click: ask } },
    `Why ${emotionName(one.label).toLowerCase()}?`,
  );
  box.append(button);

  async function ask() {
    button.disabled = true;
    try {
      const explanation = await explain(one.at);
      if (explanation === null) box.remove();
      else if (box.isConnected) show(explanation);
    } catch (error) {
      button.disabled = false;
      box.replaceChildren(button, h("p", { class: "hint", role: "alert" }, String(error)));
    }
  }

  /** @param {Explanation} explanation */
  function show(explanation) {
    const text = box.closest(".sentence")?.querySelector(".english")?.firstChild;
    if (text) markWords(text, explanation);
    box.replaceChildren(...wordsView(explanation));
  }
  return box;
}

/** @param {Explanation} explanation @returns {Node[]} */
function wordsView({ label, words }) {
  const strongest = Math.max(...words.map((word) => Math.abs(word.weight)), 1e-9);
  const telling = words.filter((word) => Math.abs(word.weight) >= strongest * WORTH_NAMING);
  const named = (/** @type {number} */ sign) =>
    telling
      .filter((word) => word.weight * sign > 0)
      .sort((a, b) => sign * (b.weight - a.weight))
      .slice(0, MOST_WORDS)
      .map((word) => h("li", {}, h("q", { lang: "en", dir: "auto" }, word.text), ` ${signed(word.weight)}`));
  const list = (/** @type {string} */ title, /** @type {HTMLElement[]} */ items) =>
    h("div", { class: "why-list" }, h("h3", {}, title), items.length ? h("ul", {}, ...items) : h("p", {}, "none"));
  const name = emotionName(label).toLowerCase();
  return [
    list(`Speaks for ${name}`, named(1)),
    list("Speaks against it", named(-1)),
    h(
      "p",
      { class: "hint" },
      "What the answer loses when the word is left out. It explains the model, not the speaker.",
    ),
  ];
}

/** @param {number} weight */
const signed = (weight) => `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`;

/** @param {Node} text @param {Explanation} explanation */
function markWords(text, { words }) {
  if (!("highlights" in CSS)) return;
  const strongest = Math.max(...words.map((word) => Math.abs(word.weight)), 1e-9);
  const levels = ["why-strong", "why-some", "why-against"].map((name) => {
    const highlight = new Highlight();
    CSS.highlights.set(name, highlight); // replaces the one of the sentence before
    return highlight;
  });
  for (const { start, end, weight } of words) {
    const share = weight / strongest;
    const level = share >= 0.5 ? 0 : share >= 0.15 ? 1 : share <= -0.15 ? 2 : -1;
    if (level < 0 || end > (text.textContent ?? "").length) continue;
    const range = { startContainer: text, startOffset: start, endContainer: text, endOffset: end };
    levels[level].add(new StaticRange(range));
  }
}
