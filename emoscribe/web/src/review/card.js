import { h } from "../../../report/viewer/src/dom.js";
import { EMOTIONS, emotionIcon, emotionName, NONE } from "../../../report/viewer/src/emotions.js";
import { clock, moment, percent } from "../../../report/viewer/src/format.js";
import { problemView } from "../problem.js";
import { agreementView } from "./agreement.js";

/** @import { Context } from "../../../report/viewer/src/viewer.js" */
/** @import { Desk } from "../types.d.ts" */
/** @import { Review, State } from "./review.js" */

/** How far the review is, and the place where it is done. @param {Review} review @param {Context} context @param {Desk} desk */
export function reviewCard(review, context, desk) {
  const toggle = h("button", {
    type: "button",
    class: "primary",
    on: { click: review.toggle },
  });
  const work = h("div", { class: "work" });
  const trouble = h("div", { class: "trouble" });
  const card = h(
    "section",
    { class: "card review-card", "aria-labelledby": "review-title" },
    h("div", { class: "card-head" }, h("h2", { id: "review-title" }, "Review"), review.mayDecide && toggle),
    progressView(review, context),
    trouble,
    work,
    agreementView(review, context.model),
  );
  work.append(...(review.mayDecide ? workParts(review, context, desk) : []));
  review.store.watch(["isOn"], ({ isOn }) => {
    toggle.replaceChildren(isOn ? "End review " : "Start review ", h("kbd", {}, "v"));
    toggle.classList.toggle("primary", !isOn);
    card.classList.toggle("on", isOn);
    work.hidden = !isOn;
  });
  review.store.watch(["error", "conflict"], ({ error, conflict }) => {
    trouble.replaceChildren(
      ...(conflict ? [conflictView(conflict, review, context)] : error ? [problemView(error)] : []),
    );
  });
  return card;
}

/** @param {Review} review @param {Context} context */
function progressView(review, { model }) {
  const bar = h("progress", {
    max: Math.max(model.reviews.length, 1),
    "aria-label": "Flagged sentences that were reviewed",
  });
  const text = h("p", { class: "hint" });
  review.store.watch(["byPlace"], ({ byPlace }) => {
    const seen = model.reviews.filter((at) => byPlace.has(at)).length;
    const others = byPlace.size - seen;
    bar.value = seen;
    text.textContent = model.reviews.length
      ? `${seen.toLocaleString("en")} of ${model.reviews.length.toLocaleString("en")} flagged sentences reviewed`
      : "Nothing is flagged for review";
    if (others) text.append(`, and ${others.toLocaleString("en")} more`);
  });
  return h("div", { class: "review-progress" }, bar, text);
}

/** @param {Review} review @param {Context} context @param {Desk} desk */
function workParts(review, context, desk) {
  const sentence = h("div", { class: "in-hand", role: "status" });
  const { model } = context;
  review.store.watch(["selected", "queue", "byPlace"], (state) => {
    const isFinished = state.queue.every((at) => state.byPlace.has(at));
    sentence.replaceChildren(...inHand(state, isFinished, context));
  });
  const accept = h(
    "button",
    {
      type: "button",
      class: "primary accept",
      "aria-keyshortcuts": "a",
      on: { click: review.accept },
    },
    h("kbd", {}, "a"),
    h("span", {}),
  );
  review.store.watch(["selected"], ({ selected }) => {
    const label = selected === null ? NONE : model.sentences[selected].label;
    accept.disabled = label === NONE;
    /** @type {Element} */ (accept.lastElementChild).textContent =
      label === NONE ? "Nothing to accept" : `Accept ${emotionName(label).toLowerCase()}`;
  });
  return [sentence, accept, labelButtons(review, context), moves(review), optionsView(review, desk)];
}

/** @param {State} state @param {boolean} isFinished @param {Context} context @returns {Node[]} */
function inHand({ selected, queue, byPlace }, isFinished, { model }) {
  const finished = h("p", { class: "finished" }, "✓ Every flagged sentence has been reviewed.");
  if (selected === null) return [isFinished ? finished : h("p", { class: "hint" }, "Choose a sentence.")];
  const one = model.sentences[selected];
  const place = queue.indexOf(selected);
  const decided = byPlace.get(selected);
  const facts = [
    clock(one.startMs),
    place >= 0 ? `${place + 1} of ${queue.length} in the queue` : "not in the queue",
    decided ? `decided: ${decided.label}` : "",
  ];
  return [
    isFinished ? finished : h("p", { class: "hint" }, facts.filter(Boolean).join(" · ")),
    h("p", { class: "said", dir: "auto", lang: "en" }, one.segment.text_en || one.segment.text),
    h(
      "p",
      { class: "model-says", "data-emotion": one.label },
      "Model: ",
      emotionIcon(one.label),
      h("strong", {}, emotionName(one.label)),
      one.label === NONE ? "" : ` ${percent(one.confidence)}`,
      one.mixed.length ? `, also ${one.mixed.join(", ")}` : "",
    ),
  ];
}

/** @param {Review} review @param {Context} context */
function labelButtons(review, { model }) {
  const rows = EMOTIONS.map((emotion, at) => {
    const choose = h(
      "button",
      {
        type: "button",
        class: "choose-label",
        "data-emotion": emotion,
        "aria-keyshortcuts": String(at + 1),
        on: { click: () => review.correct(emotion) },
      },
      h("kbd", {}, String(at + 1)),
      emotionIcon(emotion),
      h("span", {}, emotionName(emotion)),
    );
    const mix = h(
      "button",
      {
        type: "button",
        class: "mix",
        "aria-pressed": "false",
        "aria-label": `${emotionName(emotion)} is mixed in`,
        "aria-keyshortcuts": `Shift+${at + 1}`,
        title: `Mixed in (Shift ${at + 1})`,
        on: { click: () => review.toggleMixed(emotion) },
      },
      "+",
    );
    review.store.watch(["selected", "byPlace", "mixed"], ({ selected, byPlace, mixed }) => {
      const decided = selected === null ? undefined : byPlace.get(selected);
      const isModels = selected !== null && model.sentences[selected].label === emotion;
      choose.classList.toggle("models", isModels);
      choose.setAttribute("aria-pressed", String(decided?.label === emotion));
      mix.setAttribute("aria-pressed", String((mixed ?? decided?.mixed ?? []).includes(emotion)));
    });
    return h("li", {}, choose, mix);
  });
  return h(
    "div",
    {},
    h("p", { class: "hint labels-hint" }, "Or it is (+ means: mixed in)"),
    h("ul", { class: "labels" }, ...rows),
  );
}

/** @param {Review} review */
function moves(review) {
  const button = (/** @type {string} */ key, /** @type {string} */ text, /** @type {() => void} */ act) =>
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-keyshortcuts": key,
        on: { click: act },
      },
      h("kbd", {}, key),
      ` ${text}`,
    );
  const undo = button("u", "Undo", review.undo);
  review.store.watch(["done"], ({ done }) => {
    undo.disabled = done.length === 0;
  });
  return h(
    "div",
    { class: "moves" },
    button("h", "Hear", review.hear),
    button("b", "Back", () => review.go(-1)),
    button("n", "Leave", () => review.go(1)),
    undo,
  );
}

/** @param {Review} review @param {Desk} desk */
function optionsView(review, desk) {
  const plays = h("input", { type: "checkbox", checked: true });
  plays.addEventListener("change", () => review.store.set({ playsEach: plays.checked }));
  const trains = h("input", { type: "checkbox" });
  trains.addEventListener("change", () => review.store.set({ mayTrain: trains.checked }));
  return h(
    "div",
    { class: "review-options" },
    h("label", { class: "check" }, plays, " Play each sentence"),
    h("label", { class: "check" }, trains, " Models may learn from what I decide"),
    h(
      "p",
      { class: "hint" },
      "You decide as ",
      h("bdi", {}, desk.session.name),
      ". The model's answer stays beside yours.",
    ),
  );
}

/** @param {NonNullable<State["conflict"]>} conflict @param {Review} review @param {Context} context */
function conflictView({ at, mine, theirs }, review, { model }) {
  const said = (/** @type {string | null} */ label) =>
    label === null ? "no decision" : emotionName(label).toLowerCase();
  const name = h("bdi", {}, theirs.reviewer);
  return h(
    "div",
    { class: "conflict", role: "alert" },
    h(
      "p",
      {},
      h("strong", {}, "Two decisions. "),
      name,
      ` decided on the sentence at ${clock(model.sentences[at].startMs)} meanwhile (${moment(theirs.decided_at)}): `,
      h("strong", {}, said(theirs.label)),
      theirs.mixed.length ? ` with ${theirs.mixed.join(", ")}` : "",
      ". Yours was ",
      h("strong", {}, said(mine.label)),
      ".",
    ),
    h(
      "div",
      { class: "moves" },
      h("button", { type: "button", on: { click: () => review.settle(false) } }, `Keep ${said(theirs.label)}`),
      h("button", { type: "button", on: { click: () => review.settle(true) } }, `Use mine: ${said(mine.label)}`),
    ),
  );
}
