/** @import { View } from "./types.d.ts" */
/** @type {View} */
export function compareView(root) {
  root.textContent = "soon";
}
