import { createStore } from "../../../report/viewer/src/store.js";
import { Refusal } from "../api.js";
import { pause } from "../events.js";
import { sender } from "./sender.js";

/** @import { Decision } from "../../../report/viewer/src/analysis.js" */
/** @import { Model } from "../../../report/viewer/src/model.js" */
/** @import { Context } from "../../../report/viewer/src/viewer.js" */
/** @import { Correction, Corrections, Desk } from "../types.d.ts" */

/**
 * @typedef {{ label: string | null, mixed: string[] }} Answer
 * @typedef {{ isOn: boolean, queue: number[], byPlace: ReadonlyMap<number, Correction>, mixed: string[] | null,
 *   mayTrain: boolean, playsEach: boolean, conflict: { at: number, mine: Answer, theirs: Correction } | null,
 *   done: { at: number, before: Correction | undefined }[], error: Error | null, selected: number | null }} State
 * @typedef {ReturnType<typeof createReview>} Review
 */

const ASK_AGAIN_MS = 8000;

/**
 * What people decide about the sentences of one analysis: a decision stands at once and is sent behind it; another
 * reviewer's is never overwritten unseen.
 * @param {{ id: string, model: Model, corrections: Corrections, isOn: boolean }} about
 * @param {Desk} desk
 * @param {AbortSignal} signal
 */
export function createReview({ id, model, corrections, isOn }, desk, signal) {
  const { sentences } = model;
  const placeOf = new Map(sentences.map((one) => [one.segment.index, one.at]));
  const mayDecide = desk.can("corrections:write");
  const store = createStore(
    /** @type {State} */ ({
      ...{
        isOn: isOn && mayDecide,
        queue: [],
        byPlace: standing(corrections),
        mixed: null,
        mayTrain: false,
      },
      ...{
        playsEach: true,
        conflict: null,
        done: [],
        error: null,
        selected: null,
      },
    }),
  );
  /** @type {Context | null} */
  let viewer = null;
  const send = sender(id, model, desk);
  send.learn(corrections.corrections, placeOf);

  /** @param {Corrections} known */
  function standing(known) {
    const found = known.corrections.filter((one) => one.label !== null && placeOf.has(one.segment_index));
    return new Map(found.map((one) => [/** @type {number} */ (placeOf.get(one.segment_index)), one]));
  }

  /** @param {number} at @param {Correction | undefined} correction */
  function put(at, correction) {
    const byPlace = new Map(store.get().byPlace);
    if (correction && correction.label !== null) byPlace.set(at, correction);
    else byPlace.delete(at);
    store.set({ byPlace });
  }

  /**
   * @param {number} at
   * @param {Answer} answer a null label takes the decision back
   */
  async function decide(at, answer) {
    const before = store.get().byPlace.get(at);
    const { segment, label } = sentences[at];
    const own = {
      may_train: store.get().mayTrain,
      reviewer: desk.session.name,
      decided_at: new Date().toISOString(),
    };
    const asked = {
      ...answer,
      ...own,
      segment_index: segment.index,
      revision: 0,
      model_label: label,
      agrees: null,
    };
    put(at, asked);
    store.set({ conflict: null, error: null });
    try {
      const made = await send.send(at, answer, store.get().mayTrain);
      if (store.get().byPlace.get(at) === asked || answer.label === null) put(at, made);
    } catch (error) {
      const theirs = error instanceof Refusal && error.status === 412 ? error.problem.current : undefined;
      if (theirs) {
        put(at, theirs);
        store.set({ conflict: { at, mine: answer, theirs } });
      } else {
        put(at, before);
        store.set({ error: /** @type {Error} */ (error) });
      }
      store.set({ done: store.get().done.filter((one) => one.at !== at) });
    }
  }

  /** @param {number} at @param {Answer} answer */
  function decideAndGoOn(at, answer) {
    store.set({
      done: [...store.get().done, { at, before: store.get().byPlace.get(at) }],
    });
    void decide(at, answer);
    go(1);
  }

  /** To the next sentence of the queue that nobody has decided; back: to the one before. @param {number} step */
  function go(step) {
    const { queue, byPlace, selected } = store.get();
    const from = selected === null ? -1 : queue.indexOf(selected);
    const isOpen = (/** @type {number} */ at) => at !== selected && (step < 0 || !byPlace.has(at));
    const ahead = step > 0 ? queue.slice(from + 1) : queue.slice(0, Math.max(from, 0)).reverse();
    const around = step > 0 ? queue.slice(0, Math.max(from, 0)) : [];
    const next = [...ahead, ...around].find(isOpen);
    if (next !== undefined) show(next);
  }

  /** @param {number} at */
  function show(at) {
    if (!viewer) return;
    if (!viewer.store.get().visible.includes(at)) viewer.actions.clearFilter();
    viewer.actions.select(at);
    if (store.get().playsEach) viewer.actions.playOnly(at);
  }

  async function begin() {
    const { items } = await desk.api.json(`/v1/analyses/${id}/review-queue?limit=1000`, { signal });
    const places = items.map((/** @type {any} */ item) => placeOf.get(item.segment_index));
    store.set({
      queue: places.filter((/** @type {any} */ at) => at !== undefined),
    });
    if (store.get().selected === null) go(1);
  }

  async function refresh() {
    const known = await send.known(signal);
    if (!known || send.isBusy) return;
    send.learn(known.corrections, placeOf);
    store.set({ byPlace: standing(known) });
  }

  async function keepAsking() {
    while (!signal.aborted) {
      await pause(ASK_AGAIN_MS, signal);
      if (!signal.aborted && document.visibilityState === "visible") await refresh().catch(() => {});
    }
  }

  return {
    store,
    mayDecide,

    /** Take part in a viewer. @param {Context} context */
    follow(context) {
      viewer = context;
      context.store.watch(["selected"], ({ selected }) => store.set({ selected, mixed: null }));
      store.watch(["byPlace"], ({ byPlace }) => context.actions.setDecisions(decisionsOf(byPlace)));
      if (store.get().isOn) void begin().catch((error) => store.set({ error }));
      void keepAsking();
    },

    toggle() {
      if (!mayDecide) return;
      const isNowOn = !store.get().isOn;
      store.set({ isOn: isNowOn, error: null });
      desk.keep({ review: isNowOn ? "1" : null });
      if (isNowOn) void begin().catch((error) => store.set({ error }));
    },

    /** @param {string} label */
    correct(label) {
      const { selected, mixed } = store.get();
      if (selected !== null)
        decideAndGoOn(selected, {
          label,
          mixed: (mixed ?? []).filter((one) => one !== label),
        });
    },

    accept() {
      const { selected, mixed } = store.get();
      const emotion = selected === null ? null : sentences[selected].segment.emotion;
      if (selected === null || !emotion) return;
      const others = (mixed ?? sentences[selected].mixed).filter((one) => one !== emotion.label);
      decideAndGoOn(selected, { label: emotion.label, mixed: others });
    },

    /** Whether this emotion is expressed beside the main one. @param {string} label */
    toggleMixed(label) {
      const mixed = store.get().mixed ?? [];
      store.set({
        mixed: mixed.includes(label) ? mixed.filter((one) => one !== label) : [...mixed, label],
      });
    },

    undo() {
      const last = store.get().done.at(-1);
      if (!last) return;
      store.set({ done: store.get().done.slice(0, -1) });
      void decide(last.at, {
        label: last.before?.label ?? null,
        mixed: last.before?.mixed ?? [],
      });
      show(last.at);
    },

    /** After a conflict: mine after all, or theirs stays. @param {boolean} isMine */
    settle(isMine) {
      const { conflict } = store.get();
      store.set({ conflict: null });
      if (conflict && isMine) void decide(conflict.at, conflict.mine);
    },

    go,
    hear() {
      const { selected } = store.get();
      if (viewer && selected !== null) viewer.actions.playOnly(selected);
    },
  };
}

/** @param {ReadonlyMap<number, Correction>} byPlace @returns {Map<number, Decision>} */
function decisionsOf(byPlace) {
  return new Map(
    [...byPlace].map(([at, { label, mixed, reviewer, decided_at: when }]) => [
      at,
      { label: label ?? "", mixed, by: reviewer, at: when },
    ]),
  );
}
