import { h } from "../dom.js";
import { emotionIcon, emotionName } from "../emotions.js";
import { clock, counted, fileSize, languageName, moment, percent, plainName } from "../format.js";

/** @import { Context } from "../viewer.js" */
/** @import { Model } from "../model.js" */

/** What this is about, and the result in four figures. @param {Context} context @param {() => void} showHelp */
export function headerView(context, showHelp) {
  const { model, actions, host } = context;
  const { analysis } = model;
  return h(
    "header",
    { class: "head" },
    h(
      "div",
      { class: "headline" },
      h("p", { class: "brand" }, host.brand),
      ...host.tools(context),
      h("button", { class: "quiet", type: "button", on: { click: showHelp } }, "Keyboard ", h("kbd", {}, "?")),
    ),
    h("h1", {}, h("bdi", {}, plainName(analysis.source.name))),
    h("p", { class: "facts" }, ...factsOf(model).map((fact) => h("span", {}, fact))),
    h("p", { class: "statement" }, analysis.statement),
    Boolean(analysis.settings.selection) && notice(`This is a selection: ${analysis.settings.selection}`),
    analysis.source.truncated && notice("The file ended before its announced end. What was there has been analysed."),
    analysis.problems.length > 0 &&
      notice(
        `${counted(analysis.problems.length, "problem")} did not stop the analysis: `,
        h("a", { href: "#problems", on: { click: openProblems } }, "see below"),
        ".",
      ),
    model.sentences.length > 0 && figures(model, actions),
  );
}

/** @param {MouseEvent} event */
function openProblems(event) {
  event.preventDefault(); // the address belongs to the state of the view
  const problems = /** @type {HTMLDetailsElement} */ (document.getElementById("problems"));
  problems.open = true;
  problems.scrollIntoView();
  problems.querySelector("summary")?.focus();
}

/** @param {...(Node | string)} content */
function notice(...content) {
  return h(
    "p",
    { class: "notice" },
    h("span", { class: "flag", "aria-hidden": "true" }, "⚠"),
    h("span", {}, ...content),
  );
}

/** @param {Model} model @returns {string[]} */
function factsOf({ analysis }) {
  const { source, language } = analysis;
  const sureness = language.pinned ? "chosen by a person" : `${percent(language.probability)} sure`;
  return [
    `Length ${clock(source.duration_ms)}`,
    language.language ? `${languageName(language.language)} (${sureness})` : "No language: nothing was said",
    `Analysed ${moment(analysis.created_at)}`,
    source.bytes === null ? "" : fileSize(source.bytes),
    source.audio_tracks > 1 ? `Audio track ${source.audio_track + 1} of ${source.audio_tracks}` : "",
  ].filter(Boolean);
}

/** @param {Model} model @param {Context["actions"]} actions */
function figures(model, actions) {
  const { sentences, shares, reviews, spokenMs, durationMs } = model;
  const felt = shares.filter((share) => share.emotion !== "none" && share.emotion !== "neutral");
  const most = felt.reduce((best, share) => (share.timeMs > best.timeMs ? share : best), felt[0]);
  return h(
    "ul",
    { class: "figures" },
    figure(sentences.length.toLocaleString("en"), sentences.length === 1 ? "sentence" : "sentences"),
    figure(clock(spokenMs), `of speech, ${percent(Math.min(spokenMs / durationMs, 1))} of the recording`),
    most.count > 0
      ? figure(
          [emotionIcon(most.emotion), emotionName(most.emotion)],
          `is the main emotion, in ${percent(most.share)} of the speech`,
        )
      : figure([emotionIcon("neutral"), "Neutral"], "is all that is expressed"),
    figure(
      reviews.length.toLocaleString("en"),
      reviews.length
        ? h(
            "button",
            { class: "link", type: "button", on: { click: () => actions.moveReview(1) } },
            "to review by a person",
          )
        : "to review by a person",
    ),
  );
}

/** @param {string | (Node | string)[]} value @param {Node | string} caption */
function figure(value, caption) {
  return h("li", {}, h("strong", {}, ...[value].flat()), " ", h("span", {}, caption));
}
