import { h } from "../../../report/viewer/src/dom.js";
import { EMOTIONS, emotionIcon, emotionName } from "../../../report/viewer/src/emotions.js";
import { percent, plainName } from "../../../report/viewer/src/format.js";

/** @import { Model } from "../../../report/viewer/src/model.js" */

/** How much of the speech each emotion takes, a column for each analysis. @param {Model[]} models */
export function sharesCard(models) {
  const share = (/** @type {Model} */ model, /** @type {string} */ emotion) =>
    model.shares.find((one) => one.emotion === emotion)?.share ?? 0;
  const largest = Math.max(...models.flatMap((model) => EMOTIONS.map((emotion) => share(model, emotion))), 0.01);
  const rows = EMOTIONS.map((emotion) =>
    h(
      "tr",
      { "data-emotion": emotion },
      h("th", { scope: "row" }, emotionIcon(emotion), emotionName(emotion)),
      ...models.map((model) => h("td", {}, bar(share(model, emotion), largest))),
    ),
  );
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("td", {}), ...models.map(headOf))),
    h("tbody", {}, ...rows),
  );
  table.style.setProperty("--columns", String(models.length));
  return h(
    "section",
    { class: "card shares-card", "aria-labelledby": "shares-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "shares-title" }, "Emotions in the words"),
      h("p", { class: "hint" }, "Share of the speech time."),
    ),
    h("div", { class: "scroller", tabindex: 0, role: "group", "aria-label": "Shares" }, table),
  );
}

/** @param {Model} model */
function headOf(model) {
  const name = plainName(model.analysis.source.name);
  return h("th", { scope: "col" }, h("bdi", {}, name.split(/[/\\]/).at(-1) || name));
}

/** @param {number} share @param {number} largest */
function bar(share, largest) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${(share / largest) * 100}%`;
  fill.hidden = share === 0;
  return h(
    "div",
    { class: "share-bar" },
    h("span", { class: "bar", "aria-hidden": "true" }, fill),
    h("span", { class: "portion" }, percent(share)),
  );
}
