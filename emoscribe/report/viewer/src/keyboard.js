import { NO_FILTER } from "./filter.js";

/** @import { Context } from "./viewer.js" */

/** What the help sheet shows; the keys are handled below. */
export const KEYS = [
  ["j", "k", "Next and previous sentence (↓ ↑ inside the transcript)"],
  ["Enter", "Play from the selected sentence"],
  ["Space", "Play and pause"],
  ["r", "Shift r", "Next and previous sentence to review"],
  ["e", "Why this emotion: the words that speak for it"],
  ["/", "Search"],
  ["f", "Filter by emotion"],
  ["x", "Clear search and filters"],
  ["←", "→", "Five seconds back and on"],
  ["m", "Shift m", "Next and previous key moment"],
  ["+", "−", "0", "Zoom the timeline in, out, show all"],
  ["?", "This help"],
];

/**
 * Single keys work anywhere but in a field or on a control that uses the key itself.
 * @param {Context} context
 * @param {() => void} showHelp
 */
export function listenToKeys(context, showHelp) {
  const { store, actions } = context;
  /** @type {Record<string, () => void>} */
  const commands = {
    j: () => actions.moveSentence(1),
    k: () => actions.moveSentence(-1),
    r: () => actions.moveReview(1),
    R: () => actions.moveReview(-1),
    "/": () => document.getElementById("search")?.focus(),
    f: () => /** @type {HTMLElement | null} */ (document.querySelector(".share"))?.focus(),
    x: () => actions.setFilter(NO_FILTER),
    "+": () => actions.zoom(0.5),
    "=": () => actions.zoom(0.5),
    "-": () => actions.zoom(2),
    0: () => actions.setRange(0, context.model.durationMs),
    e: () => /** @type {HTMLElement | null} */ (document.querySelector(".why button"))?.click(),
    m: () => actions.moveMoment(1),
    M: () => actions.moveMoment(-1),
    "?": showHelp,
    ...context.host.commands(context),
  };

  document.addEventListener("keydown", act, { signal: context.signal });

  /** @param {KeyboardEvent} event */
  function act(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && target.id === "search") return target.blur();
    if (!store.get().shortcuts || target.closest("input:not([type=checkbox]), select, textarea, video")) return;
    const command = commandFor(event, target, commands, context);
    if (!command) return;
    event.preventDefault();
    command();
  }
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement} target
 * @param {Record<string, () => void>} commands
 * @param {Context} context
 * @returns {(() => void) | undefined}
 */
function commandFor(event, target, commands, { store, actions }) {
  if (event.key === "Enter" || event.key === " ") {
    const isTaken = target.closest("a, button, summary, label, input, [role=slider]");
    if (isTaken || store.get().media !== "ready") return undefined;
    return event.key === " " ? actions.toggle : () => actions.playSelected();
  }
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    if (target.closest("input, [role=slider]")) return undefined;
    return () => actions.skip(event.key === "ArrowLeft" ? -5000 : 5000);
  }
  if (event.key.startsWith("Arrow")) {
    if (!target.closest(".sentences")) return undefined;
    if (event.key === "ArrowDown") return commands.j;
    return event.key === "ArrowUp" ? commands.k : undefined;
  }
  const digit = event.shiftKey ? /^Digit(\d)$/.exec(event.code)?.[1] : undefined; // its character depends on the layout
  const key = digit ? `Shift ${digit}` : event.key;
  return Object.hasOwn(commands, key) ? commands[key] : undefined;
}
