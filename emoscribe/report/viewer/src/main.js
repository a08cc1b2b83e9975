import { h } from "./dom.js";
import { modelOf } from "./model.js";
import { embeddedAnalysis, FILE } from "./source.js";
import { mountViewer } from "./viewer.js";

const root = /** @type {HTMLElement} */ (document.getElementById("viewer"));
try {
  mountViewer(root, modelOf(embeddedAnalysis(document)), FILE, new AbortController().signal);
} catch (error) {
  root.replaceChildren(h("p", { class: "failure", role: "alert" }, `This report cannot be shown: ${error}`));
  throw error;
}
