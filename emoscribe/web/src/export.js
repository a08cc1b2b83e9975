import { h } from "../../report/viewer/src/dom.js";
import { isFiltering } from "../../report/viewer/src/filter.js";
import { counted, plainName } from "../../report/viewer/src/format.js";
import { save } from "../../report/viewer/src/views/picture.js";
import { problemView } from "./problem.js";
import { describe, selectionReport } from "./selection.js";

/** @import { Context } from "../../report/viewer/src/viewer.js" */
/** @import { Desk, Job } from "./types.d.ts" */
/** @import { Review } from "./review/review.js" */

const FORMATS = [
  ["html", "Report", "one page that needs nothing else"],
  ["csv", "CSV", "a row per sentence, for spreadsheets"],
  ["json", "JSON", "everything"],
  ["parquet", "Parquet", "for data tools"],
  ["srt", "Subtitles", "SRT, as spoken"],
  ["en.srt", "English subtitles", "SRT"],
  ["vtt", "Subtitles", "WebVTT, as spoken"],
  ["en.vtt", "English subtitles", "WebVTT"],
];
const CORRECTIONS = [
  ["csv", "Corrections", "CSV, for spreadsheets and emoscribe audit"],
  ["jsonl", "Corrections", "JSON Lines, for emoscribe train"],
];

/**
 * The button that opens the sheet of everything that can be taken along.
 * @param {Job} job
 * @param {Context} context
 * @param {Desk} desk
 * @param {Review} review
 */
export function exportButton(job, context, desk, review) {
  return h("button", { type: "button", class: "quiet", on: { click: open } }, "Export");

  function open() {
    const dialog = sheet(job, context, desk, review);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    /** @type {HTMLElement | null} */ (dialog.querySelector("form button"))?.focus();
  }
}

/** @param {Job} job @param {Context} context @param {Desk} desk @param {Review} review */
function sheet(job, context, desk, review) {
  const trouble = h("div", { class: "trouble" });
  const stem =
    plainName(job.source_name)
      .split(/[/\\]/)
      .at(-1)
      ?.replace(/\.[^.]*$/, "") || "analysis";
  const base = `/v1/analyses/${job.id}`;

  /** @param {string} title @param {string} about @param {() => Promise<[Blob, string]>} make */
  function item(title, about, make) {
    const button = h("button", { type: "button", on: { click: take } }, h("strong", {}, title), h("span", {}, about));
    async function take() {
      button.disabled = true;
      trouble.replaceChildren();
      try {
        save(...(await make()));
      } catch (error) {
        trouble.replaceChildren(problemView(/** @type {Error} */ (error)));
      }
      button.disabled = false;
    }
    return h("li", {}, button);
  }
  const file = (/** @type {string} */ path, /** @type {string} */ suffix) => async () => {
    const response = await desk.api.request(`${base}/${path}.${suffix}`);
    return /** @type {[Blob, string]} */ ([
      await response.blob(),
      `${stem}${path === "result" ? "" : `-${path}`}.${suffix}`,
    ]);
  };
  const { filter, visible } = context.store.get();
  const decided = counted(review.store.get().byPlace.size, "sentence");
  const parts = [
    part("Result", ...FORMATS.map(([suffix, title, about]) => item(title, about, file("result", suffix)))),
    isFiltering(filter) &&
      part(
        "What is shown now",
        item("Report of the selection", `${counted(visible.length, "sentence")}: ${describe(filter)}`, async () => [
          await selectionReport(base, context, desk),
          `${stem}-selection.html`,
        ]),
      ),
    part(
      `What people decided (${decided})`,
      ...CORRECTIONS.map(([suffix, title, about]) => item(title, about, file("corrections", suffix))),
    ),
  ];
  return h(
    "dialog",
    { class: "help export", "aria-labelledby": "export-title" },
    h("h2", { id: "export-title" }, "Export"),
    ...parts,
    h("p", { class: "hint" }, "The timeline itself can be saved as PNG or SVG: “Picture”, above it."),
    trouble,
    h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")),
  );
}

/** @param {string} title @param {...HTMLElement} items */
function part(title, ...items) {
  return h("div", { class: "export-part" }, h("h3", {}, title), h("ul", {}, ...items));
}
