import { h, s } from "../../../report/viewer/src/dom.js";
import { EMOTIONS, emotionIcon, emotionName } from "../../../report/viewer/src/emotions.js";
import { clock, plainName } from "../../../report/viewer/src/format.js";
import { smoothedIntensity } from "../../../report/viewer/src/intensity.js";
import { createStore } from "../../../report/viewer/src/store.js";

/** @import { Model } from "../../../report/viewer/src/model.js" */
/** @import { Desk } from "../types.d.ts" */

/**
 * @typedef {{ grouping: "recording" | "emotion", scale: "own" | "same", width: number }} State
 * @typedef {{ model: Model, id: string, name: string, curves: Map<string, ReturnType<typeof smoothedIntensity>> }} Line
 */

const LANE = 18;
const GAP = 3;
const AXIS = 18;
const WINDOWS = 40; // as in the viewer: the smoothing window is a fortieth of the whole

/**
 * The emotions over time, one analysis under the other or one emotion under the other.
 * @param {Model[]} models
 * @param {string[]} ids
 * @param {Desk} desk
 * @param {AbortSignal} signal
 */
export function timelinesCard(models, ids, desk, signal) {
  const lines = models.map((model, at) => lineOf(model, ids[at]));
  const store = createStore(/** @type {State} */ ({ grouping: "recording", scale: "own", width: 0 }));
  const charts = h("div", { class: "charts" });
  const observer = new ResizeObserver(() => store.set({ width: Math.round(charts.clientWidth) }));
  observer.observe(charts);
  signal.addEventListener("abort", () => observer.disconnect());
  store.watch(["grouping", "scale", "width"], (state) => {
    if (!state.width) return;
    const groups = state.grouping === "recording" ? byRecording(lines, state, desk) : byEmotion(lines, state, desk);
    charts.replaceChildren(...groups);
  });
  return h(
    "section",
    { class: "card timelines", "aria-labelledby": "timelines-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "timelines-title" }, "Emotions over time"),
      choice(store, "grouping", "Group by", { recording: "By recording", emotion: "By emotion" }),
      choice(store, "scale", "Time", { own: "Each its whole length", same: "Same scale" }),
    ),
    h("p", { class: "hint" }, "Smoothed; the height of a band is 100 %. Click to open the recording there."),
    charts,
  );
}

/** @param {Model} model @param {string} id @returns {Line} */
function lineOf(model, id) {
  const name = plainName(model.analysis.source.name);
  const curves = new Map(EMOTIONS.map((emotion) => [emotion, smoothedIntensity(model.sentences, emotion)]));
  return { model, id, name: name.split(/[/\\]/).at(-1) || name, curves };
}

/**
 * @template {"grouping" | "scale"} Name
 * @param {ReturnType<typeof createStore<State>>} store
 * @param {Name} name
 * @param {string} label
 * @param {Record<State[Name], string>} options
 */
function choice(store, name, label, options) {
  const labels = Object.entries(options).map(([value, text]) => {
    const input = h("input", { type: "radio", name, value, checked: store.get()[name] === value });
    input.addEventListener("change", () => store.set(/** @type {any} */ ({ [name]: value })));
    return h("label", {}, input, h("span", {}, /** @type {string} */ (text)));
  });
  return h("div", { class: "segmented", role: "radiogroup", "aria-label": label }, ...labels);
}

/** @param {Line[]} lines @param {State} state @param {Desk} desk */
function byRecording(lines, state, desk) {
  return lines.map((line) => {
    const rows = EMOTIONS.map((emotion) => ({ line, emotion, title: emotionName(emotion) }));
    const title = h("h3", {}, h("a", { href: `/?analysis=${line.id}` }, h("bdi", {}, line.name)));
    return h("div", { class: "chart-group" }, title, chart(rows, lines, state, desk));
  });
}

/** @param {Line[]} lines @param {State} state @param {Desk} desk */
function byEmotion(lines, state, desk) {
  return EMOTIONS.map((emotion) => {
    const rows = lines.map((line) => ({ line, emotion, title: line.name }));
    const title = h("h3", { "data-emotion": emotion }, emotionIcon(emotion), emotionName(emotion));
    return h("div", { class: "chart-group" }, title, chart(rows, lines, state, desk));
  });
}

/**
 * @param {{ line: Line, emotion: string, title: string }[]} rows
 * @param {Line[]} lines
 * @param {State} state
 * @param {Desk} desk
 */
function chart(rows, lines, { width, scale }, desk) {
  const left = width < 600 ? 76 : 150;
  const plot = width - left - 8;
  const longest = Math.max(...lines.map((line) => line.model.durationMs));
  const spanOf = (/** @type {Line} */ line) => (scale === "same" ? longest : line.model.durationMs);
  const height = rows.length * (LANE + GAP) + AXIS;
  const isShared = scale === "same" || new Set(rows.map((row) => row.line)).size === 1;
  const said = rows.map((row) => row.title).join(", ");
  const svg = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Bands over time: ${said}` },
    ...rows.flatMap(({ line, emotion, title }, at) => {
      const top = at * (LANE + GAP);
      const end = (line.model.durationMs / spanOf(line)) * plot;
      return [
        s("rect", { class: "ground", x: left, y: top, width: end, height: LANE, rx: 3 }),
        s("text", { class: "lane-name", x: 2, y: top + LANE / 2, dy: "0.35em" }, shortened(title, left)),
        s("path", {
          class: "filled",
          "data-emotion": emotion,
          d: areaOf(line, emotion, { left, bottom: top + LANE, width: end }),
        }),
      ];
    }),
    ...[0, 0.25, 0.5, 0.75, 1].map((share) =>
      tick(share, { left, plot, height }, isShared ? spanOf(rows[0].line) : null),
    ),
  );
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const row = rows[Math.floor(((event.clientY - box.top) / box.height) * (height / (LANE + GAP)))];
    const share = ((event.clientX - box.left) / box.width) * width;
    if (!row || share < left) return;
    const timeMs = Math.min(((share - left) / plot) * spanOf(row.line), row.line.model.durationMs);
    desk.navigate(`/?analysis=${row.line.id}#t=${(timeMs / 1000).toFixed(1)}`);
  });
  return svg;
}

/** @param {Line} line @param {string} emotion @param {{ left: number, bottom: number, width: number }} box */
function areaOf({ model, curves }, emotion, { left, bottom, width }) {
  const curve = curves.get(emotion);
  const count = Math.max(Math.ceil(width / 3), 1);
  const windowMs = Math.max(model.durationMs / WINDOWS, 4000);
  const points = Array.from({ length: count + 1 }, (_, at) => {
    const height = (curve?.((model.durationMs * at) / count, windowMs) ?? 0) * LANE;
    return `${(left + (width * at) / count).toFixed(1)} ${(bottom - height).toFixed(1)}`;
  });
  return `M${left} ${bottom}L${points.join("L")}L${(left + width).toFixed(1)} ${bottom}z`;
}

/**
 * @param {number} share
 * @param {{ left: number, plot: number, height: number }} box
 * @param {number | null} spanMs null: the rows have lengths of their own
 */
function tick(share, { left, plot, height }, spanMs) {
  const x = left + share * plot;
  const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
  const text = spanMs === null ? `${share * 100} %` : clock(share * spanMs);
  return s(
    "g",
    { class: "axis" },
    s("line", { x1: x, x2: x, y1: 0, y2: height - AXIS + 3 }),
    s("text", { x, y: height - 4, "text-anchor": anchor }, text),
  );
}

/** @param {string} title @param {number} room in pixels */
function shortened(title, room) {
  const most = Math.floor(room / 7);
  return title.length > most ? `${title.slice(0, most - 1)}…` : title;
}
