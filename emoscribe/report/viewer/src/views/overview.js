import { brushX } from "d3-brush";
import { pointer, select } from "d3-selection";
import { h, s } from "../dom.js";
import { EMOTIONS, emotionName } from "../emotions.js";
import { clock } from "../format.js";
import { nearestSentence } from "../model.js";

/** @import { Context } from "../viewer.js" */
/** @import { Layout } from "./lanes.js" */

const ROW_HEIGHT = 4;
const HEIGHT = EMOTIONS.length * ROW_HEIGHT + 4;

/**
 * The whole recording: the strongest emotion of each sentence, at the height of its band, with a window to zoom, and
 * a slider for those who use keys.
 * @param {Context} context
 */
export function overviewView(context) {
  const { model, store, actions } = context;
  const element = h("div", {
    class: "overview",
    role: "slider",
    tabindex: 0,
    "aria-label": "Position in the recording",
    "aria-valuemin": 0,
    "aria-valuemax": Math.round(model.durationMs / 1000),
    on: { keydown: (/** @type {KeyboardEvent} */ event) => moveByKey(event, context) },
  });
  store.watch(["timeMs"], ({ timeMs }) => {
    const near = nearestSentence(model.sentences, timeMs);
    element.setAttribute("aria-valuenow", String(Math.round(timeMs / 1000)));
    element.setAttribute("aria-valuetext", `${clock(timeMs)}, ${emotionName(model.sentences[near]?.label ?? "none")}`);
  });

  /** @type {(() => void) | null} */
  let redraw = null;
  store.watch(["range", "timeMs"], () => redraw?.());

  /** @param {Layout} layout */
  function draw(layout) {
    const x = (/** @type {number} */ timeMs) => layout.left + (timeMs / model.durationMs) * layout.plotWidth;
    let isGesture = false;
    const brush = brushX()
      .extent([
        [layout.left, 0],
        [layout.left + layout.plotWidth, HEIGHT],
      ])
      .on("brush end", ({ selection, sourceEvent, type }) => {
        if (!sourceEvent) return; // our own move, below
        const at = (/** @type {number} */ place) => ((place - layout.left) / layout.plotWidth) * model.durationMs;
        isGesture = type === "brush"; // it is under the reader's hand: not to be moved by us
        if (selection) actions.setRange(at(selection[0]), at(selection[1]));
        else if (type === "end") actions.selectNear(Math.round(at(pointer(sourceEvent, svg)[0])));
        isGesture = false;
      });
    const window = s("g", { class: "window" });
    const playhead = s("line", { class: "playhead", y1: 0, y2: HEIGHT });
    const svg = s(
      "svg",
      { viewBox: `0 0 ${layout.width} ${HEIGHT}`, "aria-hidden": "true" },
      ...rows(context, x, layout),
      window,
      playhead,
    );
    const target = /** @type {any} */ (select(window));
    target.call(brush);
    element.replaceChildren(svg);
    redraw = () => {
      const { range, timeMs } = store.get();
      const isWhole = range[1] - range[0] >= model.durationMs;
      if (!isGesture) target.call(brush.move, isWhole ? null : range.map(x));
      playhead.setAttribute("x1", String(x(timeMs)));
      playhead.setAttribute("x2", String(x(timeMs)));
    };
    redraw();
  }
  return { element, draw };
}

/** @param {Context} context @param {(timeMs: number) => number} x @param {Layout} layout */
function rows({ model }, x, layout) {
  const ground = s("rect", { class: "ground", x: layout.left, width: layout.plotWidth, height: HEIGHT, rx: 3 });
  const name = s(
    "text",
    { class: "lane-name", x: layout.isNarrow ? 2 : 24, y: HEIGHT / 2, dy: "0.35em" },
    layout.isNarrow ? "All" : "Whole",
  );
  const moments = EMOTIONS.map((emotion, at) => {
    const own = model.sentences.filter((one) => one.label === emotion);
    const y = 2 + at * ROW_HEIGHT;
    const d = own.map(
      (one) =>
        `M${x(one.startMs).toFixed(1)} ${y}h${Math.max(x(one.endMs) - x(one.startMs), 1).toFixed(1)}v${ROW_HEIGHT - 1}H${x(one.startMs).toFixed(1)}z`,
    );
    return s("path", { class: "moments", "data-emotion": emotion, d: d.join("") });
  });
  return [ground, name, ...moments];
}

/** @param {KeyboardEvent} event @param {Context} context */
function moveByKey(event, { model, store, actions }) {
  const { timeMs } = store.get();
  const step = model.durationMs / 10;
  /** @type {Record<string, number>} */
  const targets = {
    ArrowRight: timeMs + 5000,
    ArrowUp: timeMs + 5000,
    ArrowLeft: timeMs - 5000,
    ArrowDown: timeMs - 5000,
    PageUp: timeMs + step,
    PageDown: timeMs - step,
    Home: 0,
    End: model.durationMs,
  };
  if (!Object.hasOwn(targets, event.key)) return;
  event.preventDefault();
  actions.seek(Math.round(Math.min(Math.max(targets[event.key], 0), model.durationMs)));
}
