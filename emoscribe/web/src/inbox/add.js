import { h } from "../../../report/viewer/src/dom.js";
import { counted, fileSize } from "../../../report/viewer/src/format.js";
import { problemView } from "../problem.js";
import { spokenLanguages } from "./languages.js";

/** @import { Desk, Job } from "../types.d.ts" */
/** @import { uploadQueue } from "./uploads.js" */

/**
 * Where recordings come in: dropped anywhere on the page, chosen, or named by their address in S3.
 * @param {Desk} desk
 * @param {ReturnType<typeof uploadQueue>} uploads
 * @param {(job: Job) => void} onJob
 * @param {AbortSignal} signal
 */
export function addView(desk, uploads, onJob, signal) {
  const language = h(
    "select",
    { id: "spoken-language" },
    h("option", { value: "" }, "Detect"),
    ...spokenLanguages().map(([code, name]) => h("option", { value: code }, name)),
  );
  const fields = () => /** @type {Record<string, string>} */ (language.value ? { language: language.value } : {});
  const trouble = h("div", { class: "trouble" });

  /** @param {Iterable<File> | null | undefined} files */
  function take(files) {
    const most = desk.session.max_upload_bytes ?? Infinity;
    const [good, large] = [
      [...(files ?? [])].filter((f) => f.size <= most),
      [...(files ?? [])].filter((f) => f.size > most),
    ];
    trouble.replaceChildren();
    if (large.length) {
      const error = new Error(`${counted(large.length, "file")} too large: ${large.map((f) => f.name).join(", ")}`);
      const fix = `At most ${fileSize(most)} can be uploaded. Put larger ones into S3, or send only the sound.`;
      trouble.replaceChildren(problemView(Object.assign(error, { fix })));
    }
    uploads.add(good, fields());
  }

  const input = h("input", {
    type: "file",
    multiple: true,
    class: "picker",
    accept: "video/*,audio/*,.mkv,.ts",
  });
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  const card = h(
    "section",
    { class: "card add", "aria-labelledby": "add-title" },
    h(
      "div",
      { class: "drop" },
      h("h2", { id: "add-title" }, "Add recordings"),
      h(
        "p",
        {},
        "Drop videos or sound files here, or ",
        h("label", { class: "pick" }, input, h("span", {}, "choose them")),
        ".",
      ),
      h("p", { class: "hint" }, "mp4, mov, mkv, webm, avi, mp3, wav, flac, ogg, m4a. They stay on this service."),
    ),
    h(
      "div",
      { class: "add-options" },
      h("label", { class: "field" }, h("span", {}, "Spoken language"), language),
      desk.session.s3_sources !== false && s3Form(desk, fields, onJob, trouble),
    ),
    trouble,
  );
  letDrop(card, take, signal);
  return card;
}

/**
 * @param {HTMLElement} card
 * @param {(files: Iterable<File> | null | undefined) => void} take
 * @param {AbortSignal} signal
 */
function letDrop(card, take, signal) {
  let depth = 0; // entering a child comes before leaving its parent
  const mark = (/** @type {number} */ change) => {
    depth = change === 0 ? 0 : depth + change;
    card.classList.toggle("over", depth > 0);
  };
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  const listen = (/** @type {string} */ name, /** @type {(event: any) => void} */ act) =>
    document.addEventListener(
      name,
      (event) => {
        if (!hasFiles(/** @type {DragEvent} */ (event))) return;
        event.preventDefault();
        act(event);
      },
      { signal },
    );
  listen("dragenter", () => mark(1));
  listen("dragleave", () => mark(-1));
  listen("dragover", () => {});
  listen("drop", (event) => {
    mark(0);
    take(event.dataTransfer?.files);
  });
}

/**
 * @param {Desk} desk
 * @param {() => Record<string, string>} fields
 * @param {(job: Job) => void} onJob
 * @param {HTMLElement} trouble
 */
function s3Form(desk, fields, onJob, trouble) {
  const input = h("input", {
    type: "text",
    placeholder: "s3://bucket/folder/video.mp4",
    pattern: "s3://[^/]+/.+",
    required: true,
    spellcheck: "false",
    autocomplete: "off",
    title: "s3://bucket/key",
  });
  const button = h("button", {}, "Analyse");
  const form = h(
    "form",
    { class: "field s3", on: { submit } },
    h("label", {}, h("span", {}, "Or an address in S3"), input),
    button,
  );

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    trouble.replaceChildren();
    try {
      onJob(
        await desk.api.json("/v1/analyses", {
          method: "POST",
          json: { source: input.value.trim(), ...fields() },
        }),
      );
      desk.announce(`${input.value.trim()} is queued.`);
      input.value = "";
    } catch (error) {
      trouble.replaceChildren(problemView(/** @type {Error} */ (error)));
    }
    button.disabled = false;
  }
  return form;
}
