import { h } from "../../../report/viewer/src/dom.js";
import { emotionIcon, emotionName } from "../../../report/viewer/src/emotions.js";
import { clock, languageName, percent, plainName } from "../../../report/viewer/src/format.js";

/** @import { Summary } from "../types.d.ts" */
/** @import { State, Store } from "./compare.js" */

export const MOST_CHOSEN = 8; // side by side; more could not be told apart

/** @type {[string, string, (one: Summary) => string | number][]} */
const COLUMNS = [
  ["source_name", "Recording", (one) => plainName(one.source_name).toLowerCase()],
  ["created_at", "Analysed", (one) => one.created_at],
  ["duration_ms", "Length", (one) => one.duration_ms],
  ["language", "Language", (one) => (one.language ? languageName(one.language) : "")],
  ["segments", "Sentences", (one) => one.segments],
  ["dominant", "Strongest emotions", (one) => one.dominant[0] ?? ""],
  ["flagged_share", "To review", (one) => one.flagged_share],
  ["reviewed_share", "Reviewed", (one) => one.reviewed_share ?? -1],
];

/** Every analysis that is done, sortable; the ticked ones are compared. @param {Store} store @param {() => Promise<void>} load */
export function tableCard(store, load) {
  const body = h("tbody", {});
  const heads = COLUMNS.map(([name, title]) => {
    const button = h("button", { type: "button", class: "sort", on: { click: () => sortBy(name) } }, title);
    return h("th", { scope: "col" }, button);
  });
  const more = h("button", { type: "button", class: "more-jobs", on: { click: () => void load() } }, "Show older ones");
  const empty = h("p", { class: "nothing" }, "No analysis is done yet.");

  /** @param {string} by */
  function sortBy(by) {
    const { sort } = store.get();
    store.set({ sort: { by, isDown: sort.by === by ? !sort.isDown : by !== "source_name" && by !== "language" } });
  }

  store.watch(["all", "chosen", "sort", "next"], (state) => {
    const focused = document.activeElement?.getAttribute("data-id");
    body.replaceChildren(...sorted(state).map((one) => row(one, state, store)));
    if (focused) /** @type {HTMLElement | null} */ (body.querySelector(`[data-id="${CSS.escape(focused)}"]`))?.focus();
    heads.forEach((head, at) => {
      if (COLUMNS[at][0] === state.sort.by)
        head.setAttribute("aria-sort", state.sort.isDown ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    more.hidden = state.next === null;
    empty.hidden = state.all.length > 0;
  });
  return h(
    "section",
    { class: "card table", "aria-label": "Analyses" },
    h(
      "div",
      { class: "scroller", tabindex: 0, role: "group", "aria-label": "Table of analyses" },
      h("table", {}, h("thead", {}, h("tr", {}, h("td", {}), ...heads)), body),
    ),
    empty,
    more,
  );
}

/** @param {State} state @returns {Summary[]} */
function sorted({ all, sort }) {
  const value = COLUMNS.find(([name]) => name === sort.by)?.[2] ?? (() => 0);
  const order = sort.isDown ? -1 : 1;
  return [...all].sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    return order * (typeof one === "number" ? one - Number(other) : one.localeCompare(String(other), "en"));
  });
}

/** @param {Summary} one @param {State} state @param {Store} store */
function row(one, { chosen }, store) {
  const name = plainName(one.source_name);
  const isChosen = chosen.includes(one.id);
  const box = h("input", {
    ...{ type: "checkbox", checked: isChosen, disabled: !isChosen && chosen.length >= MOST_CHOSEN },
    ...{ "data-id": one.id, "aria-label": `Compare ${name}` },
  });
  box.addEventListener("change", () => {
    const others = store.get().chosen.filter((id) => id !== one.id);
    store.set({ chosen: box.checked ? [...others, one.id] : others });
  });
  return h(
    "tr",
    { class: isChosen ? "chosen-row" : "" },
    h("td", {}, box),
    h("th", { scope: "row" }, h("a", { href: `/?analysis=${one.id}` }, h("bdi", {}, name.split("/").at(-1) || name))),
    h("td", {}, new Date(one.created_at).toLocaleDateString("en-GB", { dateStyle: "medium" })),
    h("td", { class: "figure" }, clock(one.duration_ms)),
    h("td", {}, one.language ? languageName(one.language) : "–"),
    h("td", { class: "figure" }, one.segments.toLocaleString("en")),
    h("td", {}, h("div", { class: "dominant" }, ...one.dominant.map((emotion) => dominant(emotion, one)))),
    h(
      "td",
      { class: "figure" },
      one.flagged ? `${one.flagged.toLocaleString("en")} (${percent(one.flagged_share)})` : "–",
    ),
    h("td", { class: "figure" }, one.reviewed_share === null ? "–" : percent(one.reviewed_share)),
  );
}

/** @param {string} emotion @param {Summary} one */
function dominant(emotion, one) {
  return h(
    "span",
    { "data-emotion": emotion },
    emotionIcon(emotion),
    `${emotionName(emotion)} ${percent(one.shares[emotion] ?? 0)}`,
  );
}
