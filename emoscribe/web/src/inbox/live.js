import { pause, watch } from "../events.js";

/** @import { Desk, Job } from "../types.d.ts" */

const STREAMS = 2; // a browser keeps six connections to a place: some must stay free
const BUSY_MS = 3000;
const IDLE_MS = 15_000; // others may add recordings too

/**
 * Keeps the list as it is on the service: the first running ones by their events, all by asking now and then.
 * @param {Desk} desk
 * @param {() => Job[]} jobs those shown
 * @param {{ refresh: () => Promise<void>, onJob: (job: Job) => void, onSentence: (id: string, text: string) => void }} on
 * @param {AbortSignal} signal
 */
export function keepLive(desk, jobs, on, signal) {
  /** @type {Map<string, AbortController>} */
  const streams = new Map();
  signal.addEventListener("abort", () => {
    for (const control of streams.values()) control.abort();
  });

  function follow() {
    const running = jobs().filter((job) => job.state === "running");
    for (const job of running.slice(0, STREAMS)) if (!streams.has(job.id) && streams.size < STREAMS) void open(job.id);
  }

  /** @param {string} id */
  async function open(id) {
    const control = new AbortController();
    streams.set(id, control);
    await watch(desk.api, `/v1/analyses/${id}/events`, (event, data) => tell(id, event, data), control.signal);
    streams.delete(id);
    if (!signal.aborted) follow();
  }

  /** @param {string} id @param {string} event @param {any} data */
  function tell(id, event, data) {
    const job = jobs().find((one) => one.id === id);
    if (event === "segment") on.onSentence(id, data.text_en || data.text);
    else if (event === "progress" && job) on.onJob({ ...job, ...data });
    else if (["done", "failed", "cancelled"].includes(event)) on.onJob(data);
    else if (event === "deleted") void on.refresh();
  }

  async function keepAsking() {
    while (!signal.aborted) {
      const isBusy = jobs().some((job) => job.state === "queued" || job.state === "running");
      await pause(isBusy ? BUSY_MS : IDLE_MS, signal);
      if (!signal.aborted && document.visibilityState === "visible") await on.refresh().catch(() => {});
      follow();
    }
  }
  follow();
  void keepAsking();
}
