import { h } from "../../../report/viewer/src/dom.js";
import { modelOf } from "../../../report/viewer/src/model.js";
import { createStore } from "../../../report/viewer/src/store.js";
import { problemView } from "../problem.js";
import { sharesCard } from "./shares.js";
import { MOST_CHOSEN, tableCard } from "./table.js";
import { timelinesCard } from "./timelines.js";

/** @import { Model } from "../../../report/viewer/src/model.js" */
/** @import { Desk, Summary, View } from "../types.d.ts" */

/**
 * @typedef {{ all: Summary[], chosen: string[], models: Map<string, Model>, next: string | null, error: Error | null,
 *   sort: { by: string, isDown: boolean } }} State
 * @typedef {ReturnType<typeof createStore<State>>} Store
 */

const PAGE = 100;

/** All analyses in one table, and those that are chosen side by side. @type {View} */
export async function compareView(root, params, desk, signal) {
  document.title = "Compare · EmoScribe";
  const asked = (params.get("compare") ?? "").split(",").filter((id) => /^[0-9a-f]{64}$/.test(id));
  /** @type {Store} */
  const store = createStore(
    /** @type {State} */ ({
      ...{ all: [], chosen: [...new Set(asked)].slice(0, MOST_CHOSEN), models: new Map(), next: null, error: null },
      ...{ sort: { by: "created_at", isDown: true } },
    }),
  );
  const side = h("div", { class: "side-by-side" });
  const trouble = h("div", { class: "trouble" });
  root.replaceChildren(
    h(
      "main",
      { class: "page wide" },
      h("h1", {}, "Compare"),
      h("p", { class: "lead" }, "Choose two or more analyses to see their emotions side by side."),
      trouble,
      tableCard(store, () => load(store, desk, signal)),
      side,
    ),
  );
  store.watch(["error"], ({ error }) => trouble.replaceChildren(...(error ? [problemView(error)] : [])));
  await load(store, desk, signal);
  store.watch(["chosen"], ({ chosen }) => {
    desk.keep({ compare: chosen.join(",") });
    void fetchModels(store, desk, signal);
  });
  store.watch(["models", "chosen"], (state) => {
    const shown = state.chosen.flatMap((id) => state.models.get(id) ?? []);
    const ids = state.chosen.filter((id) => state.models.has(id));
    side.replaceChildren(...(shown.length ? [sharesCard(shown), timelinesCard(shown, ids, desk, signal)] : []));
  });
}

/** The next page of the table. @param {Store} store @param {Desk} desk @param {AbortSignal} signal */
async function load(store, desk, signal) {
  const { next, all } = store.get();
  const query = new URLSearchParams({ limit: String(PAGE), ...(next ? { cursor: next } : {}) });
  const page = await desk.api.json(`/v1/analyses/summary?${query}`, { signal });
  store.set({ all: [...all, ...page.analyses], next: page.next });
}

/** @param {Store} store @param {Desk} desk @param {AbortSignal} signal */
async function fetchModels(store, desk, signal) {
  for (const id of store.get().chosen) {
    if (store.get().models.has(id)) continue;
    try {
      const model = modelOf(await desk.api.json(`/v1/analyses/${id}/result.json`, { signal }));
      store.set({ models: new Map([...store.get().models, [id, model]]), error: null });
    } catch (error) {
      if (signal.aborted) return;
      const chosen = store.get().chosen.filter((one) => one !== id);
      store.set({ error: /** @type {Error} */ (error), chosen });
    }
  }
}
