import { pointer, select } from "d3-selection";
import { zoom, zoomIdentity } from "d3-zoom";
import { h, s } from "../dom.js";
import { emotionName, NONE } from "../emotions.js";
import { clock, percent } from "../format.js";
import { nearestSentence, sentenceAt } from "../model.js";
import { lanesView, layoutFor, timeUnder } from "./lanes.js";
import { overviewView } from "./overview.js";
import { pictureMenu } from "./picture.js";
import { reviewButton } from "./review.js";
import { letSelect, stretchBar } from "./stretch.js";

/** @import { Context } from "../viewer.js" */
/** @import { Layout } from "./lanes.js" */

/** The seven emotions over time, with the whole recording below to find one's way. @param {Context} context */
export function timelineView(context) {
  const tip = h("div", { class: "tip", hidden: true });
  const chart = h("div", { class: "chart" }, tip);
  const overview = overviewView(context);
  new ResizeObserver(() => draw()).observe(chart);
  let drawnWidth = 0;
  let drawing = new AbortController();

  function draw() {
    const width = Math.round(chart.clientWidth);
    if (!width || width === drawnWidth) return;
    drawnWidth = width;
    drawing.abort();
    drawing = new AbortController();
    const layout = layoutFor(width);
    const lanes = lanesView(context, layout, drawing.signal);
    const surface = s("rect", {
      class: "surface",
      ...{ x: layout.left, y: 0, width: layout.plotWidth, height: layout.height },
    });
    lanes.append(surface);
    chart.replaceChildren(lanes, tip);
    letZoom(surface, layout, context, drawing.signal);
    letPoint(surface, tip, layout, context);
    letSelect(surface, layout, context);
    overview.draw(layout);
  }

  const card = h(
    "section",
    { class: "card timeline", "aria-labelledby": "timeline-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "timeline-title" }, "Emotions over time"),
      modeSwitch(context),
      zoomButtons(context),
      pictureMenu(() => chart.querySelector("svg"), context),
      context.model.reviews.length > 0 && reviewButton(context),
    ),
    h(
      "p",
      { class: "hint" },
      "How strongly the words express each emotion, 0 to 100 %. ",
      h("span", { class: "screen-only" }, legend),
    ),
    chart,
    overview.element,
    stretchBar(context),
  );
  keepRoom(card);
  return card;
}

const legend = "Click to go there, drag to choose a stretch; drag across the strip below to zoom.";

/**
 * The card stays in sight while the transcript scrolls under it; rows must not hide there.
 * @param {HTMLElement} card
 */
function keepRoom(card) {
  const observer = new ResizeObserver(() => {
    const isStuck = getComputedStyle(card).position === "sticky";
    document.documentElement.style.setProperty("--stuck", `${isStuck ? card.offsetHeight : 0}px`);
  });
  observer.observe(card);
}

/** @param {Context} context */
function modeSwitch({ store }) {
  const options = /** @type {const} */ ([
    ["sentences", "Each sentence"],
    ["smoothed", "Smoothed"],
  ]).map(([mode, name]) => {
    const input = h("input", { type: "radio", name: "mode", value: mode, on: { change: () => store.set({ mode }) } });
    store.watch(["mode"], (state) => {
      input.checked = state.mode === mode;
    });
    return h("label", {}, input, h("span", {}, name));
  });
  return h("div", { class: "segmented", role: "radiogroup", "aria-label": "Show" }, ...options);
}

/** @param {Context} context */
function zoomButtons({ model, store, actions }) {
  const all = () => actions.setRange(0, model.durationMs);
  const button = (/** @type {string} */ text, /** @type {string} */ name, /** @type {() => void} */ act) =>
    h("button", { type: "button", "aria-label": name, on: { click: act } }, text);
  const whole = button("All", "Show the whole recording", all);
  store.watch(["range"], ({ range }) => {
    whole.disabled = range[1] - range[0] >= model.durationMs;
  });
  return h(
    "div",
    { class: "zoom", role: "group", "aria-label": "Zoom" },
    button("−", "Zoom out", () => actions.zoom(2)),
    button("+", "Zoom in", () => actions.zoom(0.5)),
    whole,
  );
}

/**
 * Pinch, drag, Ctrl + wheel; the plain wheel scrolls the page.
 * @param {SVGRectElement} surface
 * @param {Layout} layout
 * @param {Context} context
 * @param {AbortSignal} signal
 */
function letZoom(surface, layout, { model, store }, signal) {
  let isGesture = false;
  const { durationMs } = model;
  const extent = /** @type {[[number, number], [number, number]]} */ ([
    [layout.left, 0],
    [layout.left + layout.plotWidth, layout.height],
  ]);
  const behaviour = zoom()
    .filter((event) => {
      if (event.type === "wheel") return event.ctrlKey || event.metaKey;
      return event.type.startsWith("touch") || (event.shiftKey && !event.button); // a mouse alone chooses a stretch
    })
    .extent(extent)
    .translateExtent(extent)
    .scaleExtent([1, Math.max(durationMs / 2000, 1)])
    .on("zoom", ({ transform, sourceEvent }) => {
      if (!sourceEvent) return; // our own move, below
      const at = (/** @type {number} */ x) => ((transform.invertX(x) - layout.left) / layout.plotWidth) * durationMs;
      isGesture = true;
      store.set({ range: [at(layout.left), at(layout.left + layout.plotWidth)] });
      isGesture = false;
    });
  const target = /** @type {any} */ (select(surface));
  target.call(behaviour).on("dblclick.zoom", null);
  store.watch(
    ["range"],
    ({ range: [from, to] }) => {
      if (isGesture) return;
      const scale = durationMs / (to - from);
      const x = layout.left - scale * (layout.left + (from / durationMs) * layout.plotWidth);
      target.call(behaviour.transform, zoomIdentity.translate(x, 0).scale(scale));
    },
    signal,
  );
}

/**
 * Click to go there, point to see what is there.
 * @param {SVGRectElement} surface
 * @param {HTMLElement} tip
 * @param {Layout} layout
 * @param {Context} context
 */
function letPoint(surface, tip, layout, { model, store, actions }) {
  const timeAt = (/** @type {MouseEvent} */ event) => timeUnder(event, layout, store.get().range);
  surface.addEventListener("click", (event) => {
    if (!event.defaultPrevented) actions.selectNear(Math.min(Math.max(timeAt(event), 0), model.durationMs));
  });
  surface.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  surface.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const timeMs = timeAt(event);
    const at = sentenceAt(model.sentences, timeMs);
    const near = at >= 0 ? at : closeBy(timeMs);
    tip.hidden = near < 0;
    if (near >= 0) fillTip(tip, near);
    const x = pointer(event, tip.parentElement)[0];
    tip.style.left = `${Math.min(Math.max(x + 14, 0), layout.width - tip.offsetWidth - 4)}px`;
  });

  /** A sentence within three pixels: short ones are hard to hit in a long recording. @param {number} timeMs */
  function closeBy(timeMs) {
    const [from, to] = store.get().range;
    const near = nearestSentence(model.sentences, timeMs);
    const one = model.sentences[near];
    return Math.max(one.startMs - timeMs, timeMs - one.endMs) < ((to - from) / layout.plotWidth) * 3 ? near : -1;
  }

  /** @param {HTMLElement} element @param {number} at */
  function fillTip(element, at) {
    const one = model.sentences[at];
    const text = one.segment.text_en || one.segment.text;
    element.replaceChildren(
      h(
        "p",
        {},
        h("strong", {}, clock(one.startMs)),
        " ",
        emotionName(one.label),
        one.label === NONE ? "" : ` ${percent(one.confidence)}`,
      ),
      h("p", { dir: "auto" }, text.length > 140 ? `${text.slice(0, 140)}…` : text),
    );
  }
}
