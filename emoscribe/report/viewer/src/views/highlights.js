import { h } from "../dom.js";
import { emotionName } from "../emotions.js";
import { preciseClock } from "../format.js";

/** @import { Context } from "../viewer.js" */
/** @import { Sentence } from "../model.js" */
/** @import { ExplainedWord } from "../analysis.js" */

/** Log-odds from which a word is underlined, and from which more thickly. */
const LEVELS = [0.5, 1.5, 3];
const NAMED_WORDS = 3; // at most, of those that raise and of those that lower

/**
 * The switch between the English as it is and the English with the weights of its words: underlined where they raise
 * the emotion, dotted where they lower it, thicker for more, and named below. Nothing where nothing was explained.
 * @param {HTMLElement[]} rows
 * @param {Context} context
 * @returns {HTMLElement | null}
 */
export function highlightsView(rows, { model }) {
  const explained = model.sentences.filter(({ segment }) => segment.emotion?.explanation);
  if (!explained.length) return null;
  const legend = h("span", { class: "hint", hidden: true }, "Underlined words raise the emotion, dotted ones lower it");
  const button = h("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "Show word weights");
  button.addEventListener("click", () => {
    const isOn = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isOn));
    legend.hidden = !isOn;
    for (const one of explained) show(rows[one.at], one, isOn);
  });
  return h("div", { class: "highlights" }, button, legend);
}

/** @param {HTMLElement} row @param {Sentence} one @param {boolean} isOn */
function show(row, one, isOn) {
  const english = /** @type {HTMLElement | null} */ (row.querySelector("p.english"));
  row.querySelector(".weights")?.remove();
  if (!english) return;
  english.hidden = isOn;
  if (isOn) english.after(weightsView(one));
}

/** @param {Sentence} one */
function weightsView({ segment }) {
  const explanation = segment.emotion?.explanation;
  if (!explanation) return h("div", {});
  const name = emotionName(explanation.label);
  const words = explanation.words.flatMap((word) => [
    " ",
    h(
      "span",
      { class: levelOf(word.weight), title: `${name}: ${signed(word.weight)}${spokenAs(word, segment)}` },
      word.text,
    ),
  ]);
  return h(
    "div",
    { class: "english weights", "data-emotion": explanation.label },
    h("p", { lang: "en", dir: "auto" }, ...words.slice(1)),
    h("p", { class: "hint" }, ...summary(name, explanation.words), contextNote(explanation.context_weight ?? 0)),
  );
}

/** The words that weigh most, in words: for those who see no lines. @param {string} name @param {ExplainedWord[]} words */
function summary(name, words) {
  const heavy = words.filter(({ weight }) => levelOf(weight)).sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  const raising = heavy.filter(({ weight }) => weight > 0).slice(0, NAMED_WORDS);
  const lowering = heavy.filter(({ weight }) => weight < 0).slice(0, NAMED_WORDS);
  if (!heavy.length) return [`${name}: no single word decides`];
  return [`${name}: `, ...[...raising, ...lowering].flatMap((word, at) => [at ? ", " : "", ...named(word)])];
}

/** What the sentences before did, if it counts. @param {number} weight */
const contextNote = (weight) => (levelOf(weight) ? `; the sentences before ${signed(weight)}` : "");

/** @param {ExplainedWord} word */
const named = ({ text, weight }) => [h("bdi", {}, bare(text)), ` ${signed(weight)}`];

/** Without the punctuation around it. @param {string} word */
const bare = (word) => word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "") || word;

/** @param {number} weight */
function levelOf(weight) {
  const level = LEVELS.filter((from) => Math.abs(weight) >= from).length;
  return level ? `${weight > 0 ? "raises" : "lowers"}-${level}` : undefined;
}

/** @param {number} weight */
const signed = (weight) => `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(1)}`;

/** What was said for an English word, and when. @param {ExplainedWord} word @param {Sentence["segment"]} segment */
function spokenAs({ source_words: places, start_ms: startMs }, segment) {
  if (!places.length || startMs === null) return "";
  const said = places.map((at) => segment.words[at]?.text ?? "").join(" ");
  return `, said as “${said}” at ${preciseClock(startMs)}`;
}
