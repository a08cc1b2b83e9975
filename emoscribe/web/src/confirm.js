import { h } from "../../report/viewer/src/dom.js";

/**
 * Ask before something that cannot be undone.
 * @param {{ title: string, text: string, act: string }} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, act }) {
  const keep = h("button", { value: "" }, "Keep");
  const dialog = h(
    "dialog",
    { class: "help ask", "aria-labelledby": "ask-title" },
    h("h2", { id: "ask-title" }, title),
    h("p", {}, text),
    h("form", { method: "dialog" }, keep, h("button", { value: "yes", class: "danger" }, act)),
  );
  document.body.append(dialog);
  dialog.showModal();
  keep.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
