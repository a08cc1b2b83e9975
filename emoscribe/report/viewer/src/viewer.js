import { h } from "./dom.js";
import { NO_FILTER, fromFragment, passing, toFragment } from "./filter.js";
import { clock, parseClock, plainName } from "./format.js";
import { listenToKeys } from "./keyboard.js";
import { modelOf, nearestSentence } from "./model.js";
import { createStore } from "./store.js";
import { detailsView } from "./views/details.js";
import { filtersView } from "./views/filters.js";
import { headerView } from "./views/header.js";
import { helpView } from "./views/help.js";
import { playerView } from "./views/player.js";
import { timelineView } from "./views/timeline.js";
import { transcriptView } from "./views/transcript.js";

/** @import { Source } from "./analysis.js" */
/** @import { Filter } from "./filter.js" */
/** @import { Model } from "./model.js" */

/**
 * @typedef {{ filter: Filter, visible: number[], selected: number | null, playing: number, timeMs: number,
 *   range: [number, number], mode: "smoothed" | "sentences", media: "looking" | "ready" | "missing",
 *   following: boolean, shortcuts: boolean }} State
 * @typedef {ReturnType<typeof createStore<State>>} Store
 * @typedef {{ seek: (timeMs: number) => void, play: () => void, toggle: () => void }} Player
 * @typedef {ReturnType<typeof actionsOn>} Actions
 * @typedef {{ model: Model, store: Store, actions: Actions }} Context
 */

const SMOOTHED_FROM_MS = 10 * 60 * 1000;
const ADDRESS_DELAY_MS = 250; // a held key changes the selection faster than browsers let the address change

/** Show what `source` holds inside `root`. @param {HTMLElement} root @param {Source} source */
export async function mountViewer(root, source) {
  try {
    const analysis = await source.load();
    mountModel(root, modelOf(analysis), source.mediaUrl(analysis));
  } catch (error) {
    root.replaceChildren(h("p", { class: "failure", role: "alert" }, `This report cannot be shown: ${error}`));
    throw error;
  }
}

/** @param {HTMLElement} root @param {Model} model @param {string | null} mediaUrl */
function mountModel(root, model, mediaUrl) {
  const store = createStore(initialState(model));
  /** @type {Player} */
  const silent = { seek() {}, play() {}, toggle() {} };
  const player = { ...silent };
  const actions = actionsOn(model, store, player);
  const context = { model, store, actions };
  const hasSentences = model.sentences.length > 0;
  const [playerCard, controls] = playerView(context, mediaUrl);
  Object.assign(player, controls);
  const help = helpView(context);

  root.replaceChildren(
    h("a", { class: "skip", href: "#transcript" }, "Skip to the transcript"),
    headerView(context, () => help.showModal()),
    h(
      "main",
      {},
      h("div", { class: "side" }, playerCard, hasSentences && filtersView(context)),
      h("div", { class: "reading" }, hasSentences && timelineView(context), transcriptView(context)),
      detailsView(context),
    ),
    help,
  );
  listenToKeys(context, help);
  keepAddress(context);
}

/** @param {Model} model @returns {State} */
function initialState(model) {
  return {
    filter: NO_FILTER,
    visible: passing(model.sentences, NO_FILTER),
    selected: null,
    playing: -1,
    timeMs: 0,
    range: [0, model.durationMs],
    mode: model.durationMs >= SMOOTHED_FROM_MS ? "smoothed" : "sentences",
    media: "looking",
    following: true,
    shortcuts: true,
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
    select(next ?? (places === reviews || places.length === 1 ? places[step > 0 ? 0 : places.length - 1] : from));
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

    toggle: () => player.toggle(),

    /** @param {Partial<Filter>} patch */
    setFilter(patch) {
      const filter = { ...store.get().filter, ...patch };
      store.set({ filter, visible: passing(sentences, filter) });
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

/** Keep the address and the state alike, so that any view can be linked to. @param {Context} context */
function keepAddress({ model, store, actions }) {
  let timer = 0;

  function follow() {
    const { filter, selected, time } = fromFragment(location.hash);
    actions.setFilter(filter);
    const timeMs = time === null ? null : parseClock(time);
    if (timeMs !== null) actions.selectNear(Math.min(timeMs, model.durationMs));
    else if (selected !== null) actions.select(selected);
  }

  if (location.hash) follow();
  window.addEventListener("hashchange", follow);
  store.watch(["filter", "selected"], ({ filter, selected }) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const fragment = toFragment(filter, selected);
      if (fragment || location.hash.length > 1) history.replaceState(null, "", `#${fragment}`);
    }, ADDRESS_DELAY_MS);
  });
  store.watch(["selected"], ({ selected }) => {
    const name = plainName(model.analysis.source.name);
    document.title =
      selected === null ? `${name} · EmoScribe` : `${clock(model.sentences[selected].startMs)} ${name} · EmoScribe`;
  });
}
