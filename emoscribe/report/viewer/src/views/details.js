import { h } from "../dom.js";
import { clock } from "../format.js";

/** @import { Context } from "../viewer.js" */
/** @import { Analysis } from "../analysis.js" */

/** @type {Record<string, string>} */
const ROLES = {
  speech_detection: "Speech detection",
  transcription: "Transcription",
  translation: "Translation",
  emotion: "Emotion",
};

/** What went wrong, and what made this result; closed until asked for, open on paper. @param {Context} context */
export function detailsView(context) {
  const { analysis } = context.model;
  const parts = [
    analysis.problems.length > 0 && problemsPart(context),
    part("made", "Models and settings", modelsTable(analysis), settingsTable(analysis)),
  ];
  const section = h("section", { class: "details", "aria-label": "About this analysis" }, ...parts);
  openOnPaper(section, context.signal);
  return section;
}

/** @param {string} id @param {string} title @param {...Node} content */
function part(id, title, ...content) {
  return h("details", { id, class: "card" }, h("summary", {}, h("h2", {}, title)), ...content);
}

/** @param {Context} context */
function problemsPart({ model, actions }) {
  const items = model.analysis.problems.map(({ code, message, segment_index: index }) => {
    const at = index === null ? -1 : model.sentences.findIndex((one) => one.segment.index === index);
    const link =
      at >= 0 &&
      h(
        "button",
        { class: "link", type: "button", on: { click: () => actions.select(at) } },
        `sentence at ${clock(model.sentences[at].startMs)}`,
      );
    return h("li", {}, h("code", {}, code), " ", h("bdi", {}, message), link && " ", link);
  });
  return part("problems", `Problems (${items.length})`, h("ul", { class: "problems" }, ...items));
}

/** @param {Analysis} analysis */
function modelsTable(analysis) {
  const rows = analysis.models.map((model) => [
    ROLES[model.role] ?? model.role,
    model.name,
    model.version,
    model.license,
    model.sha256,
  ]);
  return table("Models", ["Role", "Model", "Version", "Licence", "SHA-256"], rows);
}

/** @param {Analysis} analysis */
function settingsTable(analysis) {
  const { source } = analysis;
  const rows = [
    ["EmoScribe", analysis.emoscribe_version],
    ["Result format", analysis.schema_version],
    ["Container and codec", `${source.container}, ${source.codec}`],
    ["SHA-256 of the file", source.sha256 ?? "not known"],
    ...Object.entries(analysis.settings).map(([name, value]) => [name, value === null ? "not set" : String(value)]),
    ...Object.entries(analysis.stage_seconds).map(([stage, seconds]) => [
      `Time for ${stage}`,
      `${seconds.toFixed(1)} s`,
    ]),
  ];
  return table("Settings", ["Name", "Value"], rows);
}

/** @param {string} caption @param {string[]} head @param {string[][]} rows */
function table(caption, head, rows) {
  const cells = rows.map(([first, ...rest]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, first),
      ...rest.map((cell, at) => h("td", { "data-name": head[at + 1] }, cell)),
    ),
  );
  return h(
    "table",
    { class: "facts-table" },
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...cells),
  );
}

/** @param {HTMLElement} section @param {AbortSignal} signal */
function openOnPaper(section, signal) {
  /** @type {HTMLDetailsElement[]} */
  let opened = [];
  const open = () => {
    opened = [...section.querySelectorAll("details")].filter((one) => !one.open);
    for (const one of opened) one.open = true;
  };
  const close = () => {
    for (const one of opened) one.open = false;
  };
  window.addEventListener("beforeprint", open, { signal });
  window.addEventListener("afterprint", close, { signal });
}
