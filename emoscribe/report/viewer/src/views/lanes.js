import { scaleLinear } from "d3-scale";
import { pointer } from "d3-selection";
import { area, curveMonotoneX, line } from "d3-shape";
import { s } from "../dom.js";
import { EMOTIONS, emotionIcon, emotionName } from "../emotions.js";
import { clock, counted } from "../format.js";
import { smoothedIntensity, speechDensity } from "../intensity.js";

/** @import { Context, State } from "../viewer.js" */
/** @import { Model, Sentence } from "../model.js" */

/**
 * @typedef {{ width: number, height: number, left: number, plotWidth: number, laneHeight: number, gap: number,
 *   lanesHeight: number, rowsHeight: number, isNarrow: boolean }} Layout
 * @typedef {ReturnType<typeof scaleLinear<number>>} TimeScale
 */

const TALL_WINDOW = 960; // pixels: the bands stay in sight above the transcript, so they must leave it room
const SPEECH_HEIGHT = 12;
const SPEECH_GAP = 4; // it is no emotion
const FLAGS_HEIGHT = 14;
const AXIS_HEIGHT = 22;
const MIN_BAR_WIDTH = 1.2;
const WINDOWS_PER_RANGE = 40; // the smoothing window: a fortieth of what is shown, and at least
const MIN_WINDOW_MS = 4000; // about one sentence
const TICK_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000];

/** @param {number} width of the whole chart, pixels @returns {Layout} */
export function layoutFor(width) {
  const isNarrow = width < 600;
  const left = isNarrow ? 70 : 112;
  const isSticky = window.innerWidth >= 1000;
  const laneHeight = isSticky && window.innerHeight < TALL_WINDOW ? 17 : 24;
  const gap = 3;
  const lanesHeight = EMOTIONS.length * (laneHeight + gap);
  const rowsHeight = lanesHeight + SPEECH_GAP + SPEECH_HEIGHT + gap + FLAGS_HEIGHT;
  const height = rowsHeight + AXIS_HEIGHT;
  return { width, height, left, plotWidth: width - left - 8, laneHeight, gap, lanesHeight, rowsHeight, isNarrow };
}

/**
 * The bands, redrawn as the state changes.
 * @param {Context} context
 * @param {Layout} layout
 * @param {AbortSignal} signal ends the redrawing
 * @returns {SVGSVGElement}
 */
export function lanesView({ model, store }, layout, signal) {
  const time = scaleLinear().range([layout.left, layout.left + layout.plotWidth]);
  const lanes = EMOTIONS.map((emotion, at) => laneOf(model, emotion, at, layout));
  const speech = speechRow(model, layout);
  const flags = s("path", { class: "flags" });
  const axis = s("g", { class: "axis" });
  const chosen = s("rect", { class: "chosen", y: 0, height: layout.rowsHeight });
  const between = s("rect", { class: "between", y: 0, height: layout.rowsHeight });
  const playhead = s("line", { class: "playhead", y1: 0, y2: layout.rowsHeight });
  const svg = s(
    "svg",
    { viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-label": description(model) },
    s(
      "defs",
      {},
      s(
        "clipPath",
        { id: "plot" },
        s("rect", { x: layout.left, y: -2, width: layout.plotWidth, height: layout.height }),
      ),
    ),
    ...lanes.map((lane) => lane.element),
    speech.element,
    model.reviews.length > 0 && flagsLabel(layout),
    s("g", { "clip-path": "url(#plot)" }, flags, between, chosen),
    axis,
    s("g", { "clip-path": "url(#plot)" }, playhead),
  );

  store.watch(
    ["range", "mode", "visible"],
    (state) => {
      time.domain(state.range);
      const seen = model.sentences.filter((one) => one.endMs >= state.range[0] && one.startMs <= state.range[1]);
      for (const lane of lanes) lane.draw(state, time, seen);
      speech.draw(state.range, time);
      const flagged = seen.filter((one) => one.segment.needs_review);
      flags.setAttribute("d", flagged.map((one) => flagPath(time(one.startMs), layout)).join(""));
      axis.replaceChildren(...ticksOf(state.range, time, layout));
    },
    signal,
  );
  store.watch(
    ["range", "filter"],
    ({ filter }) => {
      between.toggleAttribute("hidden", !filter.between);
      const [from, to] = (filter.between ?? [0, 0]).map(time);
      setAttributes(between, { x: from, width: to - from });
    },
    signal,
  );
  store.watch(
    ["range", "selected"],
    ({ selected }) => {
      const one = selected === null ? null : model.sentences[selected];
      chosen.toggleAttribute("hidden", !one);
      if (one) setAttributes(chosen, { x: time(one.startMs), width: Math.max(time(one.endMs) - time(one.startMs), 2) });
    },
    signal,
  );
  store.watch(
    ["range", "timeMs"],
    ({ timeMs }) => setAttributes(playhead, { x1: time(timeMs), x2: time(timeMs) }),
    signal,
  );
  return svg;
}

/** @param {Model} model @returns {string} the chart in words */
function description(model) {
  const parts = model.shares
    .filter((share) => share.count > 0)
    .map((share) => `${emotionName(share.emotion)} in ${counted(share.count, "sentence")}, ${clock(share.timeMs)}`);
  return `Seven bands, one for each emotion, over ${clock(model.durationMs)}. ${parts.join("; ")}. The transcript has the same sentence by sentence.`;
}

/** @param {Model} model @param {string} emotion @param {number} at @param {Layout} layout */
function laneOf(model, emotion, at, layout) {
  const top = at * (layout.laneHeight + layout.gap);
  const bottom = top + layout.laneHeight;
  const [others, faded, winners] = ["others", "faded", "winners"].map((name) => s("path", { class: `bars ${name}` }));
  const [filled, outline] = ["filled", "outline"].map((name) => s("path", { class: name }));
  const icon = emotionIcon(emotion);
  setAttributes(icon, { x: 2, y: top + (layout.laneHeight - 16) / 2, width: 16, height: 16 });
  const element = s(
    "g",
    { class: "lane", "data-emotion": emotion },
    s("rect", { class: "ground", x: layout.left, y: top, width: layout.plotWidth, height: layout.laneHeight, rx: 3 }),
    !layout.isNarrow && icon,
    s(
      "text",
      { class: "lane-name", x: layout.isNarrow ? 2 : 24, y: top + layout.laneHeight / 2, dy: "0.35em" },
      emotionName(emotion),
    ),
    s("g", { "clip-path": "url(#plot)" }, faded, others, winners, filled, outline),
  );
  const intensity = smoothedIntensity(model.sentences, emotion);
  const strongest = model.sentences[model.moments.find((place) => model.sentences[place].label === emotion) ?? -1];
  const mark = strongest && s("path", { class: "strongest" });
  if (mark) element.append(s("g", { "clip-path": "url(#plot)" }, mark));

  /** @param {State} state @param {TimeScale} time @param {Sentence[]} seen */
  function draw(state, time, seen) {
    const isRaw = state.mode === "sentences";
    const passes = new Set(state.visible);
    const bars = (/** @type {(one: Sentence) => boolean} */ wanted) =>
      isRaw
        ? seen
            .filter(wanted)
            .map((one) => barPath(one, emotion, time, bottom, layout.laneHeight))
            .join("")
        : "";
    winners.setAttribute(
      "d",
      bars((one) => passes.has(one.at) && one.label === emotion),
    );
    others.setAttribute(
      "d",
      bars((one) => passes.has(one.at) && one.label !== emotion),
    );
    faded.setAttribute(
      "d",
      bars((one) => !passes.has(one.at)),
    );
    mark?.setAttribute("d", diamond(time((strongest.startMs + strongest.endMs) / 2), top + 4));
    const points = isRaw ? [] : samples(state.range, time, layout, intensity);
    const y = (/** @type {[number, number]} */ point) => bottom - point[1] * layout.laneHeight;
    const x = (/** @type {[number, number]} */ point) => point[0];
    filled.setAttribute("d", area(x, bottom, y).curve(curveMonotoneX)(points) ?? "");
    outline.setAttribute("d", line(x, y).curve(curveMonotoneX)(points) ?? "");
  }
  return { element, draw };
}

/** @param {number} x @param {number} y */
const diamond = (x, y) => `M${x.toFixed(1)} ${y - 3.5}l3.5 3.5-3.5 3.5-3.5-3.5z`;

/** How much of the time somebody speaks. @param {Model} model @param {Layout} layout */
function speechRow(model, layout) {
  const top = layout.lanesHeight + SPEECH_GAP;
  const bottom = top + SPEECH_HEIGHT;
  const shape = s("path", { class: "density" });
  const element = s(
    "g",
    {},
    s("rect", { class: "ground", x: layout.left, y: top, width: layout.plotWidth, height: SPEECH_HEIGHT, rx: 3 }),
    s("text", { class: "lane-name", x: layout.isNarrow ? 2 : 24, y: top + SPEECH_HEIGHT / 2, dy: "0.35em" }, "Speech"),
    s("g", { "clip-path": "url(#plot)" }, shape),
  );
  const density = speechDensity(model.sentences);

  /** @param {[number, number]} range @param {TimeScale} time */
  function draw(range, time) {
    const points = samples(range, time, layout, density);
    const y = (/** @type {[number, number]} */ point) => bottom - point[1] * SPEECH_HEIGHT;
    shape.setAttribute("d", area((/** @type {[number, number]} */ point) => point[0], bottom, y)(points) ?? "");
  }
  return { element, draw };
}

/**
 * @param {[number, number]} range
 * @param {TimeScale} time
 * @param {Layout} layout
 * @param {ReturnType<typeof smoothedIntensity>} intensity
 * @returns {[number, number][]}
 */
function samples([from, to], time, layout, intensity) {
  const windowMs = Math.max((to - from) / WINDOWS_PER_RANGE, MIN_WINDOW_MS);
  const count = Math.ceil(layout.plotWidth / 3);
  return Array.from({ length: count + 1 }, (_, at) => {
    const timeMs = from + ((to - from) * at) / count;
    return [time(timeMs), intensity(timeMs, windowMs)];
  });
}

/**
 * @param {Sentence} one
 * @param {string} emotion
 * @param {TimeScale} time
 * @param {number} bottom
 * @param {number} laneHeight
 */
function barPath(one, emotion, time, bottom, laneHeight) {
  const height = (one.segment.emotion?.scores[emotion] ?? 0) * laneHeight;
  const x = time(one.startMs);
  const width = Math.max(time(one.endMs) - x - 0.6, MIN_BAR_WIDTH);
  return height < 0.4 ? "" : `M${x.toFixed(1)} ${bottom}v${(-height).toFixed(1)}h${width.toFixed(1)}V${bottom}z`;
}

/** @param {number} x @param {Layout} layout */
function flagPath(x, layout) {
  const top = layout.rowsHeight - FLAGS_HEIGHT + 2;
  return `M${x.toFixed(1)} ${top}h7l-2 2.5 2 2.5h-5.5v5h-1.5z`;
}

/** @param {Layout} layout */
function flagsLabel(layout) {
  return s(
    "text",
    { class: "lane-name", x: layout.isNarrow ? 2 : 24, y: layout.rowsHeight - FLAGS_HEIGHT / 2, dy: "0.35em" },
    "To review",
  );
}

/** @param {[number, number]} range @param {TimeScale} time @param {Layout} layout */
function ticksOf([from, to], time, layout) {
  const room = layout.plotWidth / (layout.isNarrow ? 62 : 90);
  const stepMs = 1000 * (TICK_STEPS_S.find((step) => (to - from) / 1000 / step <= room) ?? 86400);
  const ticks = [];
  for (let timeMs = Math.ceil(from / stepMs) * stepMs; timeMs <= to; timeMs += stepMs) {
    const x = time(timeMs);
    const isLast = x > layout.left + layout.plotWidth - 24;
    ticks.push(
      s("line", { x1: x, x2: x, y1: 0, y2: layout.rowsHeight + 4 }),
      s("text", { x, y: layout.height - 5, "text-anchor": isLast ? "end" : "middle" }, clock(timeMs)),
    );
  }
  return ticks;
}

/**
 * @param {MouseEvent} event over the plot
 * @param {Layout} layout
 * @param {[number, number]} range what the plot shows
 * @returns {number} the time there, in milliseconds
 */
export function timeUnder(event, layout, [from, to]) {
  return Math.round(from + ((pointer(event)[0] - layout.left) / layout.plotWidth) * (to - from));
}

/** @param {Element} element @param {Record<string, string | number>} values */
function setAttributes(element, values) {
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, String(value));
}
