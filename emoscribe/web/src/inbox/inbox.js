import { h } from "../../../report/viewer/src/dom.js";
import { folded } from "../../../report/viewer/src/model.js";
import { plainName } from "../../../report/viewer/src/format.js";
import { createStore } from "../../../report/viewer/src/store.js";
import { confirmed } from "../confirm.js";
import { problemView } from "../problem.js";
import { addView } from "./add.js";
import { keepLive } from "./live.js";
import { jobRow, uploadRow } from "./row.js";
import { uploadQueue } from "./uploads.js";

/** @import { Desk, Job, Summary, Upload, View } from "../types.d.ts" */
/** @import { Acts } from "./row.js" */

/**
 * @typedef {{ jobs: Job[], next: string | null, uploads: Upload[], summaries: Map<string, Summary>,
 *   sentences: Map<string, string>, chosen: Set<string>, show: string, query: string, error: Error | null,
 *   isLoaded: boolean }} State
 * @typedef {ReturnType<typeof createStore<State>>} Store
 */

/** @type {Record<string, [string, string[]]>} */
const SHOWN = {
  all: ["All", []],
  working: ["Working", ["queued", "running"]],
  done: ["Done", ["done"]],
  failed: ["Failed", ["failed", "cancelled"]],
};
const PAGE = 50;

/** Everything that was handed in, what became of it, and the way to hand in more. @type {View} */
export async function inboxView(root, params, desk, signal) {
  document.title = "Inbox · EmoScribe";
  const show = Object.hasOwn(SHOWN, params.get("show") ?? "") ? (params.get("show") ?? "all") : "all";
  /** @type {Store} */
  const store = createStore(
    /** @type {State} */ ({
      ...{
        jobs: [],
        next: null,
        uploads: [],
        summaries: new Map(),
        sentences: new Map(),
        chosen: new Set(),
        error: null,
      },
      ...{ show, query: params.get("name") ?? "", isLoaded: false },
    }),
  );
  const load = loading(store, desk, signal);
  const mayWrite = desk.can("analyses:write");
  const onJob = (/** @type {Job} */ job) => load.put(job);
  const uploads = uploadQueue(desk, (list) => store.set({ uploads: list }), onJob);
  signal.addEventListener("abort", () => uploads.stop());
  warnBeforeLeaving(() => uploads.isBusy, signal);

  root.replaceChildren(
    h(
      "main",
      { class: "page" },
      h("h1", {}, "Inbox"),
      h("p", { class: "lead" }, "Each sentence of a recording gets the emotion that is expressed in its words."),
      mayWrite && addView(desk, uploads, onJob, signal),
      listCard(store, desk, load, mayWrite),
    ),
  );
  await load.refresh();
  keepLive(desk, () => store.get().jobs, { refresh: load.refresh, onJob, onSentence: load.heard }, signal);
}

/** @param {() => boolean} isBusy @param {AbortSignal} signal */
function warnBeforeLeaving(isBusy, signal) {
  const warn = (/** @type {Event} */ event) => {
    if (isBusy()) event.preventDefault();
  };
  window.addEventListener("beforeunload", warn, { signal });
}

/** What the service knows, into the store. @param {Store} store @param {Desk} desk @param {AbortSignal} signal */
function loading(store, desk, signal) {
  const pathOf = (/** @type {string | null} */ cursor) => {
    const asked = new URLSearchParams({ limit: String(PAGE) });
    for (const state of SHOWN[store.get().show][1]) asked.append("state", state);
    if (cursor) asked.set("cursor", cursor);
    return `/v1/analyses?${asked}`;
  };

  async function refresh() {
    const { show } = store.get();
    try {
      const page = await desk.api.json(pathOf(null), { signal });
      if (store.get().show !== show) return;
      const fresh = new Set(page.analyses.map((/** @type {Job} */ job) => job.id));
      const { jobs, next } = store.get();
      const isLonger = jobs.length > PAGE; // the reader has asked for more: keep what lies behind the first page
      const behind = isLonger ? jobs.slice(PAGE).filter((job) => !fresh.has(job.id)) : [];
      store.set({
        jobs: [...page.analyses, ...behind],
        next: isLonger ? next : page.next,
        error: null,
        isLoaded: true,
      });
      await summarise();
    } catch (error) {
      if (!signal.aborted) store.set({ error: /** @type {Error} */ (error), isLoaded: true });
    }
  }

  async function more() {
    const page = await desk.api.json(pathOf(store.get().next), { signal });
    const known = new Set(store.get().jobs.map((job) => job.id));
    const added = page.analyses.filter((/** @type {Job} */ job) => !known.has(job.id));
    store.set({ jobs: [...store.get().jobs, ...added], next: page.next });
    await summarise();
  }

  async function summarise() {
    const { jobs, summaries } = store.get();
    const missing = jobs.filter((job) => job.state === "done" && !summaries.has(job.id)).slice(0, PAGE);
    if (!missing.length) return;
    const asked = new URLSearchParams({ limit: String(PAGE) });
    for (const job of missing) asked.append("analysis_id", job.id);
    const page = await desk.api.json(`/v1/analyses/summary?${asked}`, {
      signal,
    });
    const found = page.analyses.map((/** @type {Summary} */ one) => [one.id, one]);
    store.set({ summaries: new Map([...store.get().summaries, ...found]) });
  }

  /** @param {Job} job */
  function put(job) {
    const { jobs } = store.get();
    const isKnown = jobs.some((one) => one.id === job.id);
    store.set({
      jobs: isKnown ? jobs.map((one) => (one.id === job.id ? job : one)) : [job, ...jobs],
    });
    if (job.state === "done") {
      desk.announce(`${plainName(job.source_name)} is done.`);
      void summarise().catch(() => {});
    }
  }

  return {
    refresh,
    more,
    put,
    /** @param {string} id */
    drop: (id) => store.set({ jobs: store.get().jobs.filter((job) => job.id !== id) }),
    /** @param {string} id @param {string} text */
    heard: (id, text) => store.set({ sentences: new Map([...store.get().sentences, [id, text]]) }),
  };
}

/** @param {Store} store @param {Desk} desk @param {ReturnType<typeof loading>} load @param {boolean} mayWrite */
function listCard(store, desk, load, mayWrite) {
  const list = h("ul", { class: "jobs" });
  const empty = h("div", { class: "nothing" });
  const trouble = h("div", { class: "trouble" });
  const more = h(
    "button",
    {
      type: "button",
      class: "more-jobs",
      on: { click: () => void load.more() },
    },
    "Show older ones",
  );
  const acts = actsOn(store, desk, load, trouble);
  /** @type {Map<string, { made: string, row: HTMLElement }>} */
  let rows = new Map();

  store.watch(
    ["jobs", "uploads", "summaries", "sentences", "chosen", "query", "isLoaded", "error", "show"],
    (state) => {
      const query = folded(state.query.trim());
      const shown = state.jobs.filter((job) => folded(job.source_name).includes(query) && belongs(job, state.show));
      const before = rows;
      rows = new Map();
      for (const job of shown) {
        const row = {
          job,
          summary: state.summaries.get(job.id),
          sentence: state.sentences.get(job.id),
          isChosen: state.chosen.has(job.id),
          mayWrite,
        };
        const made = JSON.stringify(row);
        const old = before.get(job.id);
        rows.set(job.id, old?.made === made ? old : { made, row: jobRow(row, acts) });
      }
      const focused = focusIn(list);
      list.replaceChildren(...state.uploads.map(uploadRow), ...[...rows.values()].map((one) => one.row));
      giveFocus(list, focused);
      more.hidden = state.next === null;
      empty.hidden = list.childElementCount > 0 || !state.isLoaded || state.error !== null;
      empty.replaceChildren(...emptiness(state, mayWrite));
      if (state.error) trouble.replaceChildren(problemView(state.error));
      else trouble.querySelector(".problem")?.remove();
    },
  );
  return h(
    "section",
    { class: "card list", "aria-labelledby": "list-title" },
    h("div", { class: "card-head" }, h("h2", { id: "list-title" }, "Analyses"), ...listTools(store, desk, load)),
    trouble,
    list,
    empty,
    more,
  );
}

/** @param {Job} job @param {string} show */
function belongs(job, show) {
  const [, states] = SHOWN[show];
  return !states.length || states.includes(job.state);
}

/** @param {HTMLElement} list @returns {string | null} where the focus is, as a selector */
function focusIn(list) {
  const active = document.activeElement;
  const id = active?.closest("[data-id]")?.getAttribute("data-id");
  const act = active?.getAttribute("data-act");
  return list.contains(active) && id && act ? `[data-id="${CSS.escape(id)}"] [data-act="${act}"]` : null;
}

/** @param {HTMLElement} list @param {string | null} focused */
function giveFocus(list, focused) {
  if (focused)
    /** @type {HTMLElement | null} */ (list.querySelector(focused))?.focus({
      preventScroll: true,
    });
}

/** @param {State} state @param {boolean} mayWrite @returns {Node[]} */
function emptiness(state, mayWrite) {
  if (state.jobs.length || state.show !== "all") return [h("p", {}, "Nothing here passes these filters.")];
  return [
    h("p", { class: "big" }, "Nothing has been analysed yet."),
    h("p", { class: "hint" }, mayWrite ? "Drop a video above to begin." : "What others hand in appears here."),
  ];
}

/** @param {Store} store @param {Desk} desk @param {ReturnType<typeof loading>} load */
function listTools(store, desk, load) {
  const states = Object.entries(SHOWN).map(([name, [text]]) => {
    const input = h("input", {
      type: "radio",
      name: "show",
      value: name,
      checked: store.get().show === name,
    });
    input.addEventListener("change", () => {
      store.set({ show: name, jobs: [], next: null, isLoaded: false });
      desk.keep({ show: name === "all" ? null : name });
      void load.refresh();
    });
    return h("label", {}, input, h("span", {}, text));
  });
  const search = h("input", {
    type: "search",
    placeholder: "Name",
    "aria-label": "Only names with",
    value: store.get().query,
  });
  search.addEventListener("input", () => {
    store.set({ query: search.value });
    desk.keep({ name: search.value || null });
  });
  const compare = h("a", { class: "button", href: "/?compare" }, "Compare");
  store.watch(["chosen"], ({ chosen }) => {
    compare.textContent = `Compare (${chosen.size})`;
    compare.href = `/?compare=${[...chosen].join(",")}`;
    compare.hidden = chosen.size < 2;
  });
  return [
    h("div", { class: "segmented", role: "radiogroup", "aria-label": "Show" }, ...states),
    h("div", { class: "by-name" }, search),
    compare,
  ];
}

/**
 * @param {Store} store
 * @param {Desk} desk
 * @param {ReturnType<typeof loading>} load
 * @param {HTMLElement} trouble
 * @returns {Acts}
 */
function actsOn(store, desk, load, trouble) {
  /** @param {() => Promise<void>} act */
  async function attempt(act) {
    try {
      trouble.replaceChildren();
      await act();
    } catch (error) {
      trouble.replaceChildren(problemView(/** @type {Error} */ (error)));
    }
  }
  const post = (/** @type {Job} */ job, /** @type {string} */ act) =>
    attempt(async () =>
      load.put(
        await desk.api.json(`/v1/analyses/${job.id}/${act}`, {
          method: "POST",
        }),
      ),
    );
  return {
    choose(id, isChosen) {
      const chosen = new Set(store.get().chosen);
      if (isChosen) chosen.add(id);
      else chosen.delete(id);
      store.set({ chosen });
    },
    cancel: (job) => post(job, "cancel"),
    retry: (job) => post(job, "retry"),
    erase: (job) =>
      attempt(async () => {
        const title = `Delete “${plainName(job.source_name)}”?`;
        const text =
          "The recording as it was uploaded, the transcript, all results and all corrections are erased for everybody. This cannot be undone.";
        if (!(await confirmed({ title, text, act: "Delete" }))) return;
        await desk.api.json(`/v1/analyses/${job.id}`, { method: "DELETE" });
        load.drop(job.id);
        desk.announce("Deleted.");
      }),
  };
}
