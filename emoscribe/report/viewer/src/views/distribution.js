import { h } from "../dom.js";
import { emotionIcon, emotionName } from "../emotions.js";
import { clock, counted, percent } from "../format.js";

/** @import { Context } from "../viewer.js" */
/** @import { Share } from "../model.js" */

/** How much of the speech each emotion takes; each row is also the filter for its emotion. @param {Context} context */
export function distributionView({ model, store, actions }) {
  const largest = Math.max(...model.shares.map((share) => share.share), 0.01);
  const rows = model.shares.map((share) => shareRow(share, largest, () => actions.toggleEmotion(share.emotion)));
  store.watch(["filter"], ({ filter }) => {
    rows.forEach((row, at) => {
      row.setAttribute("aria-pressed", String(filter.emotions.includes(model.shares[at].emotion)));
    });
  });
  return h("ul", { class: "shares" }, ...rows.map((row) => h("li", {}, row)));
}

/** @param {Share} share @param {number} largest @param {() => void} toggle */
function shareRow(share, largest, toggle) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${(share.share / largest) * 100}%`;
  fill.hidden = share.share === 0;
  return h(
    "button",
    { class: "share", type: "button", "data-emotion": share.emotion, "aria-pressed": "false", on: { click: toggle } },
    emotionIcon(share.emotion),
    h("span", { class: "name" }, emotionName(share.emotion)),
    h("span", { class: "amount" }, `${counted(share.count, "sentence")}, ${clock(share.timeMs)}`),
    h("span", { class: "portion" }, percent(share.share)),
    h("span", { class: "bar", "aria-hidden": "true" }, fill),
  );
}
