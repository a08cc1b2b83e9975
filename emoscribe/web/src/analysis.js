import { h } from "../../report/viewer/src/dom.js";
import { plainName } from "../../report/viewer/src/format.js";
import { modelOf } from "../../report/viewer/src/model.js";
import { mountViewer } from "../../report/viewer/src/viewer.js";
import { watch } from "./events.js";
import { explainer } from "./explain.js";
import { exportButton } from "./export.js";
import { problemView } from "./problem.js";
import { createReview } from "./review/review.js";
import { reviewCard } from "./review/card.js";
import { reviewCommands, REVIEW_KEYS } from "./review/keys.js";
import { unfinishedView } from "./unfinished.js";

/** @import { Host } from "../../report/viewer/src/analysis.js" */
/** @import { Desk, Job, View } from "./types.d.ts" */

/** One analysis: the viewer of the report, with the recording, the review and the export of the service. @type {View} */
export async function analysisView(root, params, desk, signal) {
  const id = params.get("analysis") ?? "";
  const base = `/v1/analyses/${encodeURIComponent(id)}`;
  const early = fetched(base, desk, signal); // most are done: no need to ask first
  early.catch(() => {}); // one that is not has no result yet
  /** @type {Job} */
  const job = await desk.api.json(base, { signal });
  document.title = `${plainName(job.source_name)} · EmoScribe`;
  if (job.state === "done") return showDone(root, job, { desk, isReviewing: params.has("review"), signal }, early);
  const told = unfinishedView(root, job);
  if (job.state === "failed" || job.state === "cancelled") return undefined;
  const finish = (/** @type {Job} */ done) => {
    const result = fetched(base, desk, signal);
    showDone(root, done, { desk, isReviewing: false, signal }, result).catch((error) => fail(root, error));
  };
  void watch(
    desk.api,
    `/v1/analyses/${job.id}/events`,
    (event, data) => {
      if (event === "segment") told.heard(data);
      else if (event === "progress") told.progress({ ...job, ...data });
      else if (event === "done") finish(data);
      else if (event === "failed" || event === "cancelled") unfinishedView(root, data);
    },
    signal,
  );
  return undefined;
}

/** @param {HTMLElement} root @param {Error} error */
function fail(root, error) {
  root.replaceChildren(h("main", { class: "page" }, problemView(error)));
}

/** The result and what people decided. @param {string} base @param {Desk} desk @param {AbortSignal} signal */
function fetched(base, desk, signal) {
  return Promise.all([
    desk.api.json(`${base}/result.json`, { signal }),
    desk.api.json(`${base}/corrections`, { signal }),
  ]);
}

/**
 * @param {HTMLElement} root
 * @param {Job} job
 * @param {{ desk: Desk, isReviewing: boolean, signal: AbortSignal }} at
 * @param {ReturnType<typeof fetched>} result
 */
async function showDone(root, job, { desk, isReviewing, signal }, result) {
  const [analysis, corrections] = await result;
  const model = modelOf(analysis);
  const review = createReview({ id: job.id, model, corrections, isOn: isReviewing }, desk, signal);
  const viewer = h("div", { id: "viewer" });
  const explain = explainer(job.id, model, desk);

  /** @type {Host} */
  const host = {
    brand: "Analysis",
    tools: (context) => [exportButton(job, context, desk, review)],
    side: (context) => (model.sentences.length ? [reviewCard(review, context, desk)] : []),
    async mediaUrl() {
      const { url } = await desk.api.json(`/v1/analyses/${job.id}/media-url`, {
        method: "POST",
        signal,
      });
      return url;
    },
    absence: () => [
      "The recording cannot be played: it is not kept any more, or this browser does not know its format. ",
      "Choose the file, if you have it.",
    ],
    commands: () => reviewCommands(review),
    keys: REVIEW_KEYS,
    explain,
    hasDecisions: true,
  };
  root.replaceChildren(viewer);
  const context = mountViewer(viewer, model, host, signal);
  review.follow(context);
}
