import { h } from "../../report/viewer/src/dom.js";

/**
 * What went wrong and what can be done, the same everywhere.
 * @param {Error & { fix?: string }} error
 * @param {...(Node | false)} more
 */
export function problemView(error, ...more) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("span", { class: "flag", "aria-hidden": "true" }, "⚠"),
    h("div", {}, h("p", {}, h("bdi", {}, error.message)), error.fix && h("p", { class: "hint" }, error.fix), ...more),
  );
}
