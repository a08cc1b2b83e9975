import { h } from "../dom.js";
import { emotionIcon, emotionName } from "../emotions.js";
import { clock, percent } from "../format.js";

/** @import { Context } from "../viewer.js" */

/** For each emotion the sentence that expresses it most strongly; null if all is neutral. @param {Context} context */
export function momentsView({ model, store, actions }) {
  if (!model.moments.length) return null;
  const buttons = model.moments.map((at) => {
    const one = model.sentences[at];
    return h(
      "button",
      { type: "button", class: "moment", "data-emotion": one.label, on: { click: () => actions.select(at) } },
      emotionIcon(one.label),
      h("span", { class: "what" }, h("strong", {}, emotionName(one.label)), ` ${percent(one.confidence)}`),
      h("span", { class: "when" }, clock(one.startMs)),
      h("span", { class: "quote", dir: "auto" }, one.segment.text_en || one.segment.text),
    );
  });
  store.watch(["selected"], ({ selected }) => {
    buttons.forEach((button, place) => {
      if (model.moments[place] === selected) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  });
  return h(
    "section",
    { class: "card key-moments", "aria-labelledby": "moments-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "moments-title" }, "Key moments"),
      h("p", { class: "hint" }, "Where the words express each emotion most strongly."),
    ),
    h("ul", {}, ...buttons.map((button) => h("li", {}, button))),
  );
}
