import { h } from "../dom.js";
import { NO_FILTER, isFiltering } from "../filter.js";
import { counted, languageName } from "../format.js";
import { markText } from "./marks.js";
import { decisionView, scoresView, sentenceView } from "./sentence.js";

/** @import { Context, State } from "../viewer.js" */

// The browser lays out and paints only the chunks that are near the window. One row each would cost more than it
// saves: 2,000 of them take 26 ms of every frame while scrolling, 100 chunks hardly anything.
const ROWS_PER_CHUNK = 20;

/** The sentences, original and English side by side. @param {Context} context */
export function transcriptView(context) {
  const { model, store, actions } = context;
  if (!model.sentences.length) return silence();
  const list = h("div", { class: "sentences", role: "list" });
  const rows = model.sentences.map((one) => sentenceView(one, context));
  list.addEventListener("click", (event) => selectClicked(event, rows, context));

  const nothing = h(
    "p",
    { class: "nothing" },
    "No sentence passes these filters. ",
    h("button", { class: "link", type: "button", on: { click: () => actions.setFilter(NO_FILTER) } }, "Show all"),
  );
  showPassing(list, rows, nothing, context);
  showSelected(rows, context);
  showPlaying(rows, context);
  showDecisions(rows, context);
  markText(rows, context);

  const original = model.languages.length === 1 ? languageName(model.languages[0]) : "several languages";
  return h(
    "section",
    { id: "transcript", class: "card transcript", "aria-labelledby": "transcript-title", tabindex: -1 },
    h("div", { class: "card-head" }, h("h2", { id: "transcript-title" }, "Transcript"), ...outcomeOf(context)),
    h(
      "div",
      { class: "column-names", "aria-hidden": "true" },
      ...["Time", `Original (${original})`, "English", "Emotion in the words"].map((name) => h("span", {}, name)),
    ),
    list,
    nothing,
  );
}

/** How many sentences are shown, and the way back to all of them. @param {Context} context */
function outcomeOf({ model, store, actions }) {
  const result = h("p", { class: "result", role: "status" });
  const clear = h(
    "button",
    { class: "quiet", type: "button", on: { click: () => actions.setFilter(NO_FILTER) } },
    "Clear filters",
  );
  store.watch(["visible", "filter"], ({ filter, visible }) => {
    const all = counted(model.sentences.length, "sentence");
    result.textContent = isFiltering(filter) ? `${visible.length.toLocaleString("en")} of ${all}` : all;
    clear.hidden = !isFiltering(filter);
  });
  const keys = ["j", "k", "r", "/", "?"].map((key) => h("kbd", {}, key));
  const hint = h(
    "p",
    { class: "keys hint", "aria-hidden": "true" },
    keys[0],
    keys[1],
    " move ",
    keys[2],
    " review ",
    keys[3],
    " search ",
    keys[4],
    " all keys",
  );
  return [result, clear, hint];
}

function silence() {
  return h(
    "section",
    { id: "transcript", class: "card empty", tabindex: -1 },
    h("h2", {}, "No speech was found"),
    h(
      "p",
      {},
      "Nothing in this recording was recognised as speech, so there is nothing to read and no emotion to show.",
    ),
    h("p", {}, "If you hear speech, analyse it again with another audio track, or with the language given."),
  );
}

/** @param {MouseEvent} event @param {HTMLElement[]} rows @param {Context} context */
function selectClicked(event, rows, { actions }) {
  const target = /** @type {Element} */ (event.target);
  const row = /** @type {HTMLElement | null} */ (target.closest(".sentence"));
  if (!row || (target.closest("a, button") && !target.closest(".time"))) return;
  if (!document.getSelection()?.isCollapsed) return; // the reader is copying text
  if (target.closest(".time")) event.preventDefault();
  actions.select(rows.indexOf(row));
  if (target.closest(".time")) actions.playSelected();
}

/**
 * The rows that pass, in new chunks: an old one would remember its height.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} rows
 * @param {HTMLElement} nothing
 * @param {Context} context
 */
function showPassing(list, rows, nothing, { store }) {
  store.watch(["visible"], ({ visible, selected }) => {
    const hadFocus = list.contains(document.activeElement);
    const chunks = [];
    for (let first = 0; first < visible.length; first += ROWS_PER_CHUNK) {
      const places = visible.slice(first, first + ROWS_PER_CHUNK);
      chunks.push(h("div", { class: "chunk" }, ...places.map((at) => rows[at])));
    }
    list.replaceChildren(...chunks);
    nothing.hidden = visible.length > 0;
    if (selected === null || !rows[selected].isConnected) return;
    if (hadFocus) rows[selected].focus({ preventScroll: true });
    reveal(rows[selected]);
  });
}

/**
 * The selected row has the keyboard's focus, and all seven scores.
 * @param {HTMLElement[]} rows
 * @param {Context} context
 */
function showSelected(rows, context) {
  const { model, store } = context;
  /** @type {HTMLElement | null} */
  let last = null;
  store.watch(["selected"], ({ selected }) => {
    last?.removeAttribute("aria-current");
    last?.querySelector(".more")?.remove();
    if (selected === null) return;
    last = rows[selected];
    last.setAttribute("aria-current", "true");
    last.append(scoresView(model.sentences[selected], context));
    if (!last.isConnected) return;
    last.focus({ preventScroll: true });
    reveal(last);
  });
}

/** @param {HTMLElement[]} rows @param {Context} context */
function showDecisions(rows, { model, store }) {
  /** @type {State["decisions"]} */
  let shown = new Map();
  store.watch(["decisions"], ({ decisions }) => {
    for (const at of new Set([...shown.keys(), ...decisions.keys()])) {
      const decision = decisions.get(at);
      if (!rows[at] || decision === shown.get(at)) continue;
      const cell = /** @type {HTMLElement} */ (rows[at].querySelector(".emotion"));
      cell.querySelector(".decision")?.remove();
      rows[at].classList.toggle("decided", Boolean(decision));
      if (decision) cell.append(decisionView(model.sentences[at], decision));
    }
    shown = decisions;
  });
}

/** @param {HTMLElement[]} rows @param {Context} context */
function showPlaying(rows, { store }) {
  let last = -1;
  store.watch(["playing"], ({ playing, following }) => {
    rows[last]?.classList.remove("playing");
    last = playing;
    if (!rows[playing]) return;
    rows[playing].classList.add("playing");
    if (following && rows[playing].isConnected) reveal(rows[playing]);
  });
}

/**
 * Bring a row into sight: gently if it is near, at once if it is far or motion is not wanted.
 * @param {HTMLElement} row
 */
function reveal(row) {
  const { top, bottom } = row.getBoundingClientRect();
  const isNear = bottom > -window.innerHeight && top < 2 * window.innerHeight;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  row.scrollIntoView({ block: "nearest", behavior: isNear && !isCalm ? "smooth" : "instant" });
}
