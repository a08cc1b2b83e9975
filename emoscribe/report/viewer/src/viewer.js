import { h } from "./dom.js";
import { keepAddress } from "./address.js";
import { NO_FILTER, passing } from "./filter.js";
import { listenToKeys } from "./keyboard.js";
import { nearestSentence } from "./model.js";
import { createStore } from "./store.js";
import { detailsView } from "./views/details.js";
import { filtersView } from "./views/filters.js";
import { headerView } from "./views/header.js";
import { helpView, showHelp } from "./views/help.js";
import { momentsView } from "./views/moments.js";
import { playerView } from "./views/player.js";
import { timelineView } from "./views/timeline.js";
import { transcriptView } from "./views/transcript.js";

/** @import { Decision, Host } from "./analysis.js" */
/** @import { Filter } from "./filter.js" */
/** @import { Model } from "./model.js" */

/**
 * @typedef {{ filter: Filter, visible: number[], selected: number | null, playing: number, timeMs: number,
 *   range: [number, number], mode: "smoothed" | "sentences", media: "looking" | "ready" | "missing",
 *   following: boolean, shortcuts: boolean, decisions: ReadonlyMap<number, Decision> }} State
 * @typedef {ReturnType<typeof createStore<State>>} Store
 * @typedef {{ seek: (timeMs: number) => void, play: () => void, playUntil: (timeMs: number) => void,
 *   toggle: () => void }} Player
 * @typedef {ReturnType<typeof actionsOn>} Actions
 * @typedef {{ model: Model, store: Store, actions: Actions, host: Host, signal: AbortSignal }} Context
 */

const SMOOTHED_FROM_MS = 10 * 60 * 1000;
const AROUND_MS = 300; // speech does not begin and end as sharply as its times

/**
 * Show an analysis inside `root` until `signal` ends it.
 * @param {HTMLElement} root
 * @param {Model} model
 * @param {Host} host
 * @param {AbortSignal} signal
 * @returns {Context}
 */
export function mountViewer(root, model, host, signal) {
  const store = createStore(initialState(model));
  /** @type {Player} */
  const silent = { seek() {}, play() {}, playUntil() {}, toggle() {} };
  const player = { ...silent };
  const context = { model, store, actions: actionsOn(model, store, player), host, signal };
  const hasSentences = model.sentences.length > 0;
  const [playerCard, controls] = playerView(context);
  Object.assign(player, controls);
  const help = helpView(context);

  root.replaceChildren(
    h("a", { class: "skip", href: "#transcript" }, "Skip to the transcript"),
    headerView(context, () => showHelp(help)),
    h(
      "main",
      {},
      h("div", { class: "side" }, playerCard, ...host.side(context), hasSentences && filtersView(context)),
      h(
        "div",
        { class: "reading" },
        hasSentences && timelineView(context),
        hasSentences && momentsView(context),
        transcriptView(context),
      ),
      detailsView(context),
    ),
    help,
  );
  listenToKeys(context, () => showHelp(help));
  keepAddress(context);
  return context;
}

/** @param {Model} model @returns {State} */
function initialState(model) {
  return {
    filter: NO_FILTER,
    visible: passing(model.sentences, NO_FILTER, new Map()),
    selected: null,
    playing: -1,
    timeMs: 0,
    range: [0, model.durationMs],
    mode: model.durationMs >= SMOOTHED_FROM_MS ? "smoothed" : "sentences",
    media: "looking",
    following: true,
    shortcuts: true,
    decisions: new Map(),
  };
}

/**
 * What a reader can do; views call these and watch the store for what comes of it.
 * @param {Model} model
 * @param {Store} store
 * @param {Player} player
 */
function actionsOn(model, store, player) {
  const { sentences, reviews } = model;

  /** @param {number} timeMs */
  function seek(timeMs) {
    store.set({ timeMs });
    player.seek(timeMs);
    keepInSight(timeMs);
  }

  /** Move the zoomed part of the timeline, if it has to be, so that this time is in it. @param {number} timeMs */
  function keepInSight(timeMs) {
    const [from, to] = store.get().range;
    if (timeMs >= from && timeMs <= to) return;
    const start = Math.min(Math.max(timeMs - (to - from) / 5, 0), model.durationMs - (to - from));
    store.set({ range: [start, start + to - from] });
  }

  /** @param {number} at */
  function select(at) {
    if (!sentences[at]) return;
    store.set({ selected: at });
    seek(sentences[at].startMs);
  }

  /**
   * To the sentence `step` further in `places`, from the selected one.
   * @param {number[]} places
   * @param {number} step
   */
  function move(places, step) {
    if (!places.length) return;
    const from = store.get().selected ?? (step > 0 ? -1 : Infinity);
    const next = step > 0 ? places.find((at) => at > from) : places.findLast((at) => at < from);
    const isRound = places === reviews || places === model.moments || places.length === 1;
    select(next ?? (isRound ? places[step > 0 ? 0 : places.length - 1] : from));
  }

  return {
    seek,
    select,
    keepInSight,
    moveSentence: (/** @type {number} */ step) => move(store.get().visible, step),

    /** To the next sentence a person should look at; one the filter hides is brought back. @param {number} step */
    moveReview(step) {
      move(reviews, step);
      const { selected, visible } = store.get();
      if (selected !== null && !visible.includes(selected)) this.setFilter({ ...NO_FILTER, reviewOnly: true });
    },

    /** To the next sentence that expresses its emotion most strongly. @param {number} step */
    moveMoment(step) {
      move(model.moments, step);
      const { selected, visible } = store.get();
      if (selected !== null && !visible.includes(selected)) this.setFilter(NO_FILTER);
    },

    /** To a time, and to the sentence there or the nearest of those that are shown. @param {number} timeMs */
    selectNear(timeMs) {
      const shown = store.get().visible.map((at) => sentences[at]);
      const near = shown[nearestSentence(shown, timeMs)];
      if (near) store.set({ selected: near.at });
      seek(timeMs);
    },

    playSelected() {
      const { selected } = store.get();
      if (selected !== null) seek(sentences[selected].startMs);
      player.play();
    },

    /** Hear one sentence, with a moment before and after. @param {number} at */
    playOnly(at) {
      const { startMs, endMs } = sentences[at];
      seek(Math.max(startMs - AROUND_MS, 0));
      player.playUntil(endMs + AROUND_MS);
    },

    toggle: () => player.toggle(),

    /** @param {number} stepMs */
    skip: (stepMs) => seek(Math.min(Math.max(store.get().timeMs + stepMs, 0), model.durationMs)),

    /** @param {Partial<Filter>} patch */
    setFilter(patch) {
      const filter = { ...store.get().filter, ...patch };
      store.set({ filter, visible: passing(sentences, filter, store.get().decisions) });
    },

    clearFilter() {
      this.setFilter(NO_FILTER);
    },

    /** People's decisions, as they are known now. @param {ReadonlyMap<number, Decision>} decisions */
    setDecisions(decisions) {
      store.set({ decisions });
      const { filter } = store.get();
      if (filter.emotions.length || filter.decidedOnly) this.setFilter({});
    },

    /** @param {string} emotion */
    toggleEmotion(emotion) {
      const { emotions } = store.get().filter;
      const chosen = emotions.includes(emotion) ? emotions.filter((one) => one !== emotion) : [...emotions, emotion];
      this.setFilter({ emotions: chosen });
    },

    /**
     * Show `factor` times as much around the middle, or around the playhead if that is in sight.
     * @param {number} factor
     */
    zoom(factor) {
      const { range, timeMs } = store.get();
      const [from, to] = range;
      const around = timeMs > from && timeMs < to ? timeMs : (from + to) / 2;
      this.setRange(around - (around - from) * factor, around + (to - around) * factor);
    },

    /**
     * Show this part of the recording, kept inside it and not shorter than two seconds.
     * @param {number} from
     * @param {number} to
     */
    setRange(from, to) {
      const length = Math.min(Math.max(to - from, Math.min(2000, model.durationMs)), model.durationMs);
      const start = Math.min(Math.max((from + to - length) / 2, 0), model.durationMs - length);
      store.set({ range: [start, start + length] });
    },
  };
}
