import { h } from "../../report/viewer/src/dom.js";

/**
 * @param {HTMLElement} root
 * @param {boolean} wasRefused a token was given, and is not known
 * @param {(token: string) => void} onGiven
 */
export function askForToken(root, wasRefused, onGiven) {
  document.title = "Sign in · EmoScribe";
  const input = h("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    "aria-describedby": "token-hint",
  });
  const form = h(
    "form",
    { class: "card sign-in", on: { submit } },
    h("h1", {}, "EmoScribe"),
    h("p", {}, "This service asks who you are."),
    wasRefused && h("p", { class: "notice", role: "alert" }, "The token is not known here. It may have been revoked."),
    h("input", { type: "text", autocomplete: "username", value: "token", hidden: true }), // password managers want one
    h("label", { for: "token" }, "Access token"),
    input,
    h(
      "p",
      { id: "token-hint", class: "hint" },
      "You get it from whoever runs the service (",
      h("code", {}, "emoscribe tokens add"),
      "). It stays in this tab and is forgotten when you close it.",
    ),
    h("button", { class: "primary" }, "Sign in"),
  );
  root.replaceChildren(h("main", { class: "page narrow" }, form));
  input.focus();

  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    if (input.value.trim()) onGiven(input.value.trim());
  }
}
