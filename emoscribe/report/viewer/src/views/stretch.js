import { h } from "../dom.js";
import { clock, counted } from "../format.js";
import { timeUnder } from "./lanes.js";

/** @import { Context } from "../viewer.js" */
/** @import { Layout } from "./lanes.js" */

const LEAST_PIXELS = 5; // less is a click of an unsteady hand

/**
 * Dragging with a mouse chooses a stretch of time; only its sentences are shown then.
 * @param {SVGRectElement} surface
 * @param {Layout} layout
 * @param {Context} context
 */
export function letSelect(surface, layout, { model, store, actions }) {
  let start = NaN;
  let startX = 0;
  let isDragged = false;
  const timeAt = (/** @type {PointerEvent} */ event) =>
    Math.min(Math.max(timeUnder(event, layout, store.get().range), 0), model.durationMs);

  surface.addEventListener("pointerdown", (event) => {
    if (event.button || event.shiftKey || event.ctrlKey || event.pointerType === "touch") return;
    surface.setPointerCapture(event.pointerId);
    [start, startX, isDragged] = [timeAt(event), event.clientX, false];
  });
  surface.addEventListener("pointermove", (event) => {
    if (Number.isNaN(start)) return;
    isDragged ||= Math.abs(event.clientX - startX) >= LEAST_PIXELS;
    if (!isDragged) return;
    const end = timeAt(event);
    if (end !== start) actions.setFilter({ between: [Math.min(start, end), Math.max(start, end)] });
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    surface.addEventListener(name, () => {
      start = NaN;
    });
  }
  surface.addEventListener(
    "click",
    (event) => {
      if (isDragged) event.preventDefault(); // the end of a drag is not a click
      isDragged = false;
    },
    { capture: true },
  );
}

/** What is chosen, and what can be done with it. @param {Context} context */
export function stretchBar({ store, actions }) {
  const text = h("p", { class: "hint" });
  const bar = h(
    "div",
    { class: "stretch" },
    text,
    h("button", { type: "button", class: "quiet", on: { click: zoom } }, "Zoom to it"),
    h(
      "button",
      { type: "button", class: "quiet", on: { click: () => actions.setFilter({ between: null }) } },
      "Show all again",
    ),
  );
  store.watch(["filter", "visible"], ({ filter, visible }) => {
    bar.hidden = !filter.between;
    if (!filter.between) return;
    const [from, to] = filter.between.map(clock);
    text.textContent = `Chosen: ${from} to ${to}, ${counted(visible.length, "sentence")}`;
  });

  function zoom() {
    const { between } = store.get().filter;
    if (between) actions.setRange(...between);
  }
  return bar;
}
