import { h } from "../dom.js";
import { KEYS } from "../keyboard.js";

/** @import { Context } from "../viewer.js" */

/** The sheet of keys, and the switch for people whose software speaks in keys. @param {Context} context */
export function helpView({ store, host }) {
  const rows = [...host.keys, ...KEYS].map((entry) => {
    const keys = entry.slice(0, -1).flatMap((key, at) => [at ? " " : "", h("kbd", {}, key)]);
    return h("tr", {}, h("th", { scope: "row" }, ...keys), h("td", {}, entry[entry.length - 1]));
  });
  const shortcuts = h("input", {
    type: "checkbox",
    checked: true,
    on: { change: () => store.set({ shortcuts: shortcuts.checked }) },
  });
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keyboard"),
    h("table", {}, h("tbody", {}, ...rows)),
    h("label", { class: "check" }, shortcuts, " Single keys act as shortcuts"),
    h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")),
  );
  return dialog;
}

/** @param {HTMLDialogElement} help */
export function showHelp(help) {
  help.showModal();
  /** @type {HTMLElement | null} */ (help.querySelector("form button"))?.focus();
}
