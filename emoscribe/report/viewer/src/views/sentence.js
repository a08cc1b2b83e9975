import { h } from "../dom.js";
import { EMOTIONS, emotionIcon, emotionName, NONE, reasonText } from "../emotions.js";
import { clock, languageName, languageTag, moment, percent, preciseClock } from "../format.js";
import { explanationView } from "./explanation.js";

/** @import { Context } from "../viewer.js" */
/** @import { Decision } from "../analysis.js" */
/** @import { Sentence } from "../model.js" */

/** @type {Record<string, string>} */
const ENGINES = {
  none: "not translated: it is English",
  whisper: "translated by the speech recogniser",
};

/** One row of the transcript. @param {Sentence} one @param {Context} context */
export function sentenceView(one, { model }) {
  const { segment } = one;
  const isForeign = segment.language !== model.analysis.language.language;
  return h(
    "div",
    { role: "listitem", id: `sentence-${one.at}`, class: "sentence", tabindex: -1, "data-emotion": one.label },
    h("a", { class: "time", href: `#s=${one.at}`, "aria-label": `Go to ${clock(one.startMs)}` }, clock(one.startMs)),
    h(
      "div",
      { class: "source" },
      isForeign && h("span", { class: "tag" }, languageName(segment.language)),
      h("p", { class: "text", lang: languageTag(segment.language), dir: "auto" }, segment.text),
    ),
    segment.text_en
      ? h("p", { class: "text english", lang: "en", dir: "auto" }, segment.text_en)
      : h("p", { class: "english missing" }, "Not translated"),
    emotionCell(one),
    segment.needs_review && reviewCell(segment.review_reasons),
  );
}

/** @param {Sentence} one */
function emotionCell(one) {
  const { emotion } = one.segment;
  return h(
    "div",
    { class: "emotion" },
    h(
      "p",
      { class: "badge", "data-emotion": one.label },
      emotionIcon(one.label),
      h("span", { class: "name" }, emotionName(one.label)),
      emotion && " ",
      emotion &&
        h("span", { class: "confidence" }, percent(emotion.confidence), h("span", { class: "spoken" }, " confidence")),
    ),
    one.mixed.length > 0 &&
      h(
        "p",
        { class: "mixed" },
        "also ",
        one.mixed.map((label) => `${label} ${percent(emotion?.scores[label] ?? 0)}`).join(", "),
      ),
  );
}

/** @param {string[]} reasons */
function reviewCell(reasons) {
  return h(
    "p",
    { class: "review" },
    h("span", { class: "flag", "aria-hidden": "true" }, "⚑"),
    h("span", {}, h("strong", {}, "To review: "), reasons.map(reasonText).join(" · ") || "no reason given"),
  );
}

/**
 * What a person decided, under what the model said.
 * @param {Sentence} one
 * @param {Decision} decision
 */
export function decisionView(one, { label, mixed, by, at }) {
  const agrees = label === one.label;
  return h(
    "p",
    { class: "decision", "data-emotion": label },
    h("span", { class: "verdict" }, agrees ? "✓ Accepted " : "✎ Corrected "),
    !agrees && h("span", { class: "given" }, emotionIcon(label), h("strong", {}, emotionName(label)), " "),
    mixed.length > 0 && h("span", { class: "with" }, `with ${mixed.join(", ")} `),
    h("span", { class: "by", title: moment(at) }, "by ", h("bdi", {}, by)),
  );
}

/** What a selected sentence shows beyond its row. @param {Sentence} one @param {Context} context */
export function scoresView(one, { model, host }) {
  const { segment } = one;
  const facts = [
    `Sentence ${one.at + 1} of ${model.sentences.length}`,
    `${preciseClock(one.startMs)} to ${preciseClock(one.endMs)}`,
    `${languageName(segment.language)}, ${percent(segment.language_probability)} sure`,
    `words ${percent(segment.transcript_confidence)} sure`,
    segment.emotion && one.label !== NONE ? `label ${percent(segment.emotion.confidence)} sure` : "",
    segment.emotion?.context_used ? "judged with the sentences before" : "",
    ENGINES[segment.translation_engine] ?? `translated by ${segment.translation_engine}`,
  ];
  return h(
    "div",
    { class: "more" },
    segment.emotion && one.label !== NONE
      ? scoreList(segment.emotion.scores)
      : h("p", {}, "No emotion is given, because the text looks invented or could not be classified."),
    explanationView(one, host.explain),
    h(
      "p",
      { class: "hint" },
      facts.filter(Boolean).join(" · "),
      " · ",
      h("a", { href: `#s=${one.at}` }, "Link to this sentence"),
    ),
  );
}

/** @param {Record<string, number>} scores */
function scoreList(scores) {
  const items = EMOTIONS.map((emotion) => {
    const fill = h("span", { class: "fill" });
    fill.style.width = `${(scores[emotion] ?? 0) * 100}%`;
    return h(
      "li",
      { "data-emotion": emotion },
      h("span", { class: "name" }, emotionName(emotion)),
      h("span", { class: "bar", "aria-hidden": "true" }, fill),
      h("span", { class: "portion" }, percent(scores[emotion] ?? 0)),
    );
  });
  return h("ul", { class: "scores", "aria-label": "Probability of each emotion" }, ...items);
}
