import { h } from "../../report/viewer/src/dom.js";
import { createApi, Refusal } from "./api.js";
import { problemView } from "./problem.js";
import { shell } from "./shell.js";
import { askForToken } from "./sign_in.js";

const STORED = "emoscribe-token"; // in the tab's storage: gone when the tab is closed

/** Begin: straight in where no token is needed, else ask for one. @param {HTMLElement} root */
async function begin(root) {
  const token = sessionStorage.getItem(STORED);
  const api = createApi(token, () => {
    sessionStorage.removeItem(STORED);
  });
  try {
    const session = await api.json("/v1/session");
    shell(root, api, session, leave);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) ask(token !== null);
    else root.replaceChildren(h("main", { class: "page" }, problemView(/** @type {Error} */ (error))));
  }

  /** @param {boolean} wasKnown */
  function ask(wasKnown) {
    askForToken(root, wasKnown, (given) => {
      sessionStorage.setItem(STORED, given);
      void begin(root);
    });
  }

  function leave() {
    sessionStorage.removeItem(STORED);
    location.assign("/");
  }
}

void begin(/** @type {HTMLElement} */ (document.getElementById("desk")));
