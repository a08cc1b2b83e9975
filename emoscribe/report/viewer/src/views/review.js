import { h } from "../dom.js";

/** @import { Context } from "../viewer.js" */

/** From one sentence a person should look at to the next; says how far one has come. @param {Context} context */
export function reviewButton({ model, store, actions }) {
  const place = h("span", { class: "place" });
  const button = h(
    "button",
    {
      class: "primary review-next",
      type: "button",
      "aria-keyshortcuts": "r",
      on: { click: () => actions.moveReview(1) },
    },
    h("span", { class: "flag", "aria-hidden": "true" }, "⚑"),
    h("span", {}, "Next to review"),
    place,
  );
  store.watch(["selected"], ({ selected }) => {
    const at = selected === null ? -1 : model.reviews.indexOf(selected);
    place.textContent = `${at < 0 ? "" : `${at + 1} of `}${model.reviews.length.toLocaleString("en")}`;
  });
  return button;
}
