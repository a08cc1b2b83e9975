import { h } from "../dom.js";
import { distributionView } from "./distribution.js";

/** @import { Context } from "../viewer.js" */

const SEARCH_DELAY_MS = 120;

/** What of the transcript is shown: by words, by emotion, by confidence, by need of review. @param {Context} context */
export function filtersView(context) {
  return h(
    "section",
    { class: "card filters", "aria-labelledby": "filters-title" },
    h("h2", { id: "filters-title" }, "Emotions in the words"),
    h(
      "p",
      { class: "hint" },
      "Share of the speech time. ",
      h("span", { class: "screen-only" }, "Choose some to see only their sentences."),
    ),
    distributionView(context),
    mixedSwitch(context),
    h(
      "div",
      { class: "narrowing" },
      searchField(context),
      leastConfidence(context),
      reviewSwitch(context),
      context.host.hasDecisions && decidedSwitch(context),
    ),
  );
}

/** @param {Context} context */
function searchField({ store, actions }) {
  let timer = 0;
  const input = h("input", {
    id: "search",
    type: "search",
    placeholder: "Search original and English",
    "aria-label": "Search original and English",
    "aria-keyshortcuts": "/",
    autocomplete: "off",
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => actions.setFilter({ query: input.value }), SEARCH_DELAY_MS);
  });
  store.watch(["filter"], ({ filter }) => {
    if (filter.query.trim() !== input.value.trim()) input.value = filter.query;
  });
  return input;
}

/** @param {Context} context */
function leastConfidence({ store, actions }) {
  const input = h("input", { type: "range", min: 0, max: 100, step: 5 });
  const text = h("output", {});
  input.addEventListener("input", () => actions.setFilter({ minConfidence: Number(input.value) }));
  store.watch(["filter"], ({ filter }) => {
    input.value = String(filter.minConfidence);
    text.textContent = `${filter.minConfidence} %`;
  });
  return h("label", { class: "least" }, h("span", {}, "Confidence at least"), input, text);
}

/** @param {Context} context */
function reviewSwitch({ model, store, actions }) {
  const input = h("input", { type: "checkbox", disabled: model.reviews.length === 0 });
  input.addEventListener("change", () => actions.setFilter({ reviewOnly: input.checked }));
  store.watch(["filter"], ({ filter }) => {
    input.checked = filter.reviewOnly;
  });
  return h(
    "label",
    { class: "check" },
    input,
    ` Only what needs review (${model.reviews.length.toLocaleString("en")})`,
  );
}

/** @param {Context} context */
function decidedSwitch({ store, actions }) {
  const input = h("input", { type: "checkbox" });
  input.addEventListener("change", () => actions.setFilter({ decidedOnly: input.checked }));
  const text = h("span", {});
  store.watch(["filter", "decisions"], ({ filter, decisions }) => {
    input.checked = filter.decidedOnly;
    text.textContent = `Only what people decided (${decisions.size.toLocaleString("en")})`;
  });
  return h("label", { class: "check" }, input, text);
}

/** @param {Context} context */
function mixedSwitch({ store, actions }) {
  const input = h("input", { type: "checkbox" });
  input.addEventListener("change", () => actions.setFilter({ withMixed: input.checked }));
  store.watch(["filter"], ({ filter }) => {
    input.checked = filter.withMixed;
  });
  return h("label", { class: "check" }, input, " Also where the emotion is mixed in");
}
