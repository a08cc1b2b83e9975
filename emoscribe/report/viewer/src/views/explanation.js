import { h } from "../dom.js";
import { emotionName } from "../emotions.js";
import { wordOffsets } from "../model.js";
import { mark } from "./marks.js";

/** @import { Explanation, Host } from "../analysis.js" */
/** @import { Sentence } from "../model.js" */

const MOST_WORDS = 5;
const WORTH_NAMING = 0.1; // of the strongest word's weight

/**
 * Which words the label rests on, when asked: marked in the texts and named below them. Null if nobody knows.
 * @param {Sentence} one
 * @param {Host["explain"]} explain asked where the analysis itself has no explanation
 */
export function explanationView(one, explain) {
  const { emotion } = one.segment;
  if (!emotion || (!emotion.explanation && explain === null)) return null;
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
      const explanation = emotion?.explanation ?? (explain && (await explain(one.at)));
      if (!explanation) box.remove();
      else if (box.isConnected) show(explanation);
    } catch (error) {
      button.disabled = false;
      box.replaceChildren(button, h("p", { class: "hint", role: "alert" }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {Explanation} explanation */
  function show(explanation) {
    const row = box.closest(".sentence");
    if (row) markWords(row, one, explanation);
    box.replaceChildren(...wordsView(explanation));
  }
  return box;
}

/** @param {Explanation} explanation @returns {(Node | string)[]} */
function wordsView({ label, words, context_weight: contextWeight }) {
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
    contextWeight ? h("p", {}, `The sentences before: ${signed(contextWeight)}`) : "",
    h(
      "p",
      { class: "hint" },
      "By how much each word raises or lowers the log-odds. It explains the model's answer, not the speaker.",
    ),
  ];
}

/** @param {number} weight */
const signed = (weight) => `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`;

/** @param {Element} row @param {Sentence} one @param {Explanation} explanation */
function markWords(row, { segment }, { words }) {
  if (!("highlights" in CSS)) return;
  const strongest = Math.max(...words.map((word) => Math.abs(word.weight)), 1e-9);
  const levels = ["why-strong", "why-some", "why-against"].map((name) => {
    const highlight = new Highlight();
    CSS.highlights.set(name, highlight); // replaces the one of the sentence before
    return highlight;
  });
  const [source, english] = [row.querySelector(".source .text"), row.querySelector(".english.text")];
  const spoken = wordOffsets(segment.text, segment.words);
  const translated = wordOffsets(segment.text_en, words);
  words.forEach(({ weight, source_words: origins }, at) => {
    const share = weight / strongest;
    const level = share >= 0.5 ? 0 : share >= 0.15 ? 1 : share <= -0.15 ? 2 : -1;
    if (level < 0) return;
    if (english) mark(levels[level], english, translated[at]);
    if (source) for (const origin of origins) mark(levels[level], source, spoken[origin] ?? null);
  });
}
