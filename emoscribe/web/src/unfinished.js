import { h } from "../../report/viewer/src/dom.js";
import { emotionIcon, emotionName, NONE } from "../../report/viewer/src/emotions.js";
import { clock, percent, plainName } from "../../report/viewer/src/format.js";
import { problemView } from "./problem.js";

/** @import { Job } from "./types.d.ts" */
/** @import { Segment } from "../../report/viewer/src/analysis.js" */

/** An analysis that is not done: how far it is, and what has been understood so far. @param {HTMLElement} root @param {Job} job */
export function unfinishedView(root, job) {
  const bar = h("progress", { max: 1, "aria-label": "Progress" });
  const state = h("p", { role: "status" });
  const sentences = h("ol", { class: "so-far" });
  const heard = new Map();
  const isEnded = job.state === "failed" || job.state === "cancelled";
  root.replaceChildren(
    h(
      "main",
      { class: "page" },
      h("h1", {}, h("bdi", {}, plainName(job.source_name))),
      isEnded
        ? problemView(
            Object.assign(new Error(job.error?.message ?? "The analysis was cancelled."), { fix: job.error?.fix }),
          )
        : h(
            "div",
            { class: "card waiting" },
            state,
            bar,
            h("p", { class: "hint" }, "The page opens by itself when it is done."),
          ),
      h("p", {}, h("a", { href: "/" }, "Back to the inbox")),
      sentences,
    ),
  );
  const told = {
    /** @param {Job} now */
    progress(now) {
      state.textContent = now.state === "queued" ? "Waits for its turn" : `Working: ${percent(now.progress)}`;
      bar.value = now.progress;
    },
    /** @param {Segment} segment */
    heard(segment) {
      const label = segment.emotion?.label ?? NONE;
      const row = h(
        "li",
        { "data-emotion": label },
        h("span", { class: "time" }, clock(segment.start_ms)),
        emotionIcon(label),
        h("span", { class: "spoken" }, emotionName(label)),
        h("span", { dir: "auto" }, segment.text_en || segment.text),
      );
      const before = heard.get(segment.index);
      if (before) before.replaceWith(row);
      else sentences.append(row);
      heard.set(segment.index, row);
    },
  };
  told.progress(job);
  return told;
}
