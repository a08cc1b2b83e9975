import { h } from "../../../report/viewer/src/dom.js";
import { emotionIcon, emotionName } from "../../../report/viewer/src/emotions.js";
import { clock, counted, fileSize, languageName, percent, plainName } from "../../../report/viewer/src/format.js";
import { problemView } from "../problem.js";

/** @import { Job, Summary, Upload } from "../types.d.ts" */

/** @type {Record<string, [string, string]>} */
const STATES = {
  queued: ["◷", "Waiting"],
  running: ["▶", "Working"],
  done: ["✓", "Done"],
  failed: ["✕", "Failed"],
  cancelled: ["–", "Cancelled"],
};

/** @type {Record<string, string>} */
const STAGES = {
  media: "reading the sound",
  speech: "looking for speech",
  speech_detection: "looking for speech",
  transcribe: "writing down what is said",
  transcription: "writing down what is said",
  translate: "translating",
  translation: "translating",
  emotion: "looking for emotions",
};

/**
 * @typedef {{ job: Job, summary: Summary | undefined, sentence: string | undefined, isChosen: boolean, mayWrite: boolean }} Row
 * @typedef {{ choose: (id: string, chosen: boolean) => void, cancel: (job: Job) => void, retry: (job: Job) => void,
 *   erase: (job: Job) => void }} Acts
 */

/** @param {Row} row @param {Acts} acts */
export function jobRow({ job, summary, sentence, isChosen, mayWrite }, acts) {
  const name = plainName(job.source_name);
  const [sign, state] = STATES[job.state] ?? ["", job.state];
  const isOpen = job.state === "done" || job.state === "running" || job.state === "queued";
  const title = h("bdi", {}, name.split("/").at(-1) || name);
  return h(
    "li",
    { class: "job", "data-state": job.state, "data-id": job.id },
    h(
      "div",
      { class: "choose" },
      job.state === "done" &&
        h("input", {
          type: "checkbox",
          checked: isChosen,
          "data-act": "choose",
          "aria-label": `Choose ${name}`,
          on: {
            change: (/** @type {any} */ event) => acts.choose(job.id, event.target.checked),
          },
        }),
    ),
    h(
      "div",
      { class: "job-name" },
      isOpen
        ? h("a", { href: `/?analysis=${job.id}`, "data-act": "open" }, title)
        : h("span", { class: "plain" }, title),
      h(
        "p",
        { class: "hint" },
        h("span", { class: "state" }, h("span", { "aria-hidden": "true" }, sign), ` ${state}`),
        " · ",
        h("time", { datetime: job.created_at }, when(job.created_at)),
        " · ",
        fileSize(job.source_bytes),
      ),
    ),
    h("div", { class: "job-body" }, bodyOf(job, summary, sentence)),
    h("div", { class: "job-acts" }, ...(mayWrite ? buttons(job, acts) : [])),
  );
}

/** @param {Job} job @param {Summary | undefined} summary @param {string | undefined} sentence */
function bodyOf(job, summary, sentence) {
  if (job.state === "failed" && job.error) {
    return problemView(Object.assign(new Error(job.error.message), { fix: job.error.fix }));
  }
  if (job.state === "running") {
    return h(
      "div",
      { class: "working" },
      progressBar(job.progress, `Progress of ${plainName(job.source_name)}`),
      h(
        "span",
        { class: "hint" },
        `${percent(job.progress)}${STAGES[job.stage ?? ""] ? `, ${STAGES[job.stage ?? ""]}` : ""}`,
      ),
      Boolean(sentence) && h("p", { class: "heard hint", dir: "auto" }, sentence ?? ""),
    );
  }
  if (job.state === "queued")
    return h("p", { class: "hint" }, job.attempts ? "Will be tried again." : "Waits for its turn.");
  return job.state === "done" && summary ? outcome(summary) : null;
}

/** @param {Summary} summary */
function outcome(summary) {
  const { dominant, shares, flagged, flagged_reviewed: seen } = summary;
  const facts = [
    clock(summary.duration_ms),
    summary.language ? languageName(summary.language) : "no speech",
    counted(summary.segments, "sentence"),
  ];
  const strip = h("div", { class: "strip", "aria-hidden": "true" });
  for (const [emotion, share] of Object.entries(shares)) {
    if (share <= 0) continue;
    const part = h("span", { "data-emotion": emotion });
    part.style.flexGrow = String(share);
    strip.append(part);
  }
  return h(
    "div",
    { class: "outcome" },
    h("p", { class: "facts" }, ...facts.map((fact) => h("span", {}, fact))),
    strip,
    h(
      "p",
      { class: "dominant" },
      ...dominant.map((emotion) =>
        h(
          "span",
          { "data-emotion": emotion },
          emotionIcon(emotion),
          `${emotionName(emotion)} ${percent(shares[emotion] ?? 0)}`,
        ),
      ),
    ),
    h(
      "p",
      { class: "hint" },
      flagged ? `${seen.toLocaleString("en")} of ${flagged.toLocaleString("en")} reviewed` : "nothing to review",
    ),
  );
}

/** @param {Job} job @param {Acts} acts */
function buttons(job, acts) {
  const name = plainName(job.source_name);
  const button = (/** @type {string} */ act, /** @type {string} */ text, /** @type {(job: Job) => void} */ run) =>
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        "data-act": act,
        "aria-label": `${text} ${name}`,
        on: { click: () => run(job) },
      },
      text,
    );
  const isEnded = !["queued", "running"].includes(job.state);
  return [
    !isEnded && button("cancel", "Cancel", acts.cancel),
    ["failed", "cancelled"].includes(job.state) && button("retry", "Try again", acts.retry),
    isEnded && button("erase", "Delete", acts.erase),
  ].filter((one) => one !== false);
}

/** @param {Upload} upload */
export function uploadRow(upload) {
  const { file, state, sentBytes, error } = upload;
  const share = file.size ? Math.min(sentBytes / file.size, 1) : 1;
  const told = state === "waiting" ? "Waits to be sent" : `${fileSize(sentBytes)} of ${fileSize(file.size)} sent`;
  return h(
    "li",
    {
      class: "job upload",
      "data-state": state === "failed" ? "failed" : "running",
    },
    h("div", { class: "choose" }),
    h(
      "div",
      { class: "job-name" },
      h("span", { class: "plain" }, h("bdi", {}, plainName(file.name))),
      h(
        "p",
        { class: "hint" },
        h(
          "span",
          { class: "state" },
          h("span", { "aria-hidden": "true" }, "↑"),
          state === "failed" ? " Not sent" : " Uploading",
        ),
      ),
    ),
    h(
      "div",
      { class: "job-body" },
      error
        ? problemView(error)
        : h(
            "div",
            { class: "working" },
            progressBar(share, `Upload of ${file.name}`),
            h("span", { class: "hint" }, told),
          ),
    ),
    h(
      "div",
      { class: "job-acts" },
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": `${error ? "Dismiss" : "Cancel"} ${file.name}`,
          on: { click: upload.cancel },
        },
        error ? "Dismiss" : "Cancel",
      ),
    ),
  );
}

/** @param {number} share @param {string} name */
function progressBar(share, name) {
  return h("progress", { max: 1, value: share.toFixed(4), "aria-label": name }, percent(share));
}

/** @param {string} iso @returns {string} the time today, the day before that */
function when(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString("en-GB", { timeStyle: "short" })
    : date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
