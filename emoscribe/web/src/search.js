/** @import { View } from "./types.d.ts" */
/** @type {View} */
export function searchView(root) {
  root.textContent = "soon";
}
