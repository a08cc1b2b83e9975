import { embeddedSource } from "./source.js";
import { mountViewer } from "./viewer.js";

const root = document.getElementById("viewer");
if (root) void mountViewer(root, embeddedSource(document));
