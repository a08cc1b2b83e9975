import { h } from "../../report/viewer/src/dom.js";
import { EMOTIONS, emotionIcon, emotionName, NONE } from "../../report/viewer/src/emotions.js";
import { clock, counted, languageName, languageTag, percent, plainName } from "../../report/viewer/src/format.js";
import { occurrences } from "../../report/viewer/src/model.js";
import { problemView } from "./problem.js";

/** @import { Desk, SearchRow, View } from "./types.d.ts" */

const PAGE = 50;
const FIELDS = ["text", "label", "min_score", "needs_review"];

/** Sentences of all recordings, by their words and their emotions. @type {View} */
export function searchView(root, params, desk, signal) {
  document.title = "Search · EmoScribe";
  const results = h("div", { class: "results" });
  const status = h("p", { class: "result", role: "status" });
  const { form, read } = searchForm(params);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = read();
    desk.keep(Object.fromEntries(FIELDS.map((name) => [name, asked.get(name)])));
    void find(asked);
  });
  root.replaceChildren(
    h(
      "main",
      { class: "page" },
      h("h1", {}, "Search"),
      h(
        "p",
        { class: "lead" },
        "Every sentence of every recording: by its words, in the original or in English, and by its emotion.",
      ),
      form,
      status,
      results,
    ),
  );
  let finding = 0;

  /** @param {URLSearchParams} asked */
  async function find(asked) {
    finding += 1;
    const own = finding;
    status.textContent = "Searching…";
    try {
      const page = await desk.api.json(`/v1/search?${withLimit(asked)}`, { signal });
      if (own !== finding) return;
      results.replaceChildren();
      status.textContent = page.rows.length
        ? `${page.next ? "The first " : ""}${counted(page.rows.length, "sentence")}`
        : "No sentence is like that. Try fewer words, or a lower score.";
      show(page, asked);
    } catch (error) {
      if (signal.aborted || own !== finding) return;
      status.textContent = "";
      results.replaceChildren(problemView(/** @type {Error} */ (error)));
    }
  }

  /** @param {{ rows: SearchRow[], next: string | null }} page @param {URLSearchParams} asked */
  function show({ rows, next }, asked) {
    for (const row of rows) groupOf(results, row).append(rowView(row, asked.get("label") ?? ""));
    markFound(results, asked.get("text") ?? "");
    if (next === null) return;
    const more = h("button", { type: "button", class: "more-jobs", on: { click: goOn } }, "Show more");
    results.append(more);
    async function goOn() {
      const page = await desk.api.json(`/v1/search?${withLimit(asked, next)}`, { signal });
      more.remove();
      show(page, asked);
    }
  }

  if (FIELDS.some((name) => params.get(name))) void find(read());
}

/** @param {URLSearchParams} asked @param {string | null} [cursor] */
function withLimit(asked, cursor = null) {
  const query = new URLSearchParams(asked);
  query.set("limit", String(PAGE));
  if (cursor !== null) query.set("cursor", cursor);
  return query;
}

/** @param {URLSearchParams} params @returns {{ form: HTMLFormElement, read: () => URLSearchParams }} */
function searchForm(params) {
  const text = h("input", {
    id: "words",
    type: "search",
    value: params.get("text"),
    placeholder: "preço, or “what it costs”",
    autocomplete: "off",
  });
  const label = h(
    "select",
    {},
    h("option", { value: "" }, "Any emotion"),
    ...EMOTIONS.map((one) => h("option", { value: one, selected: params.get("label") === one }, emotionName(one))),
  );
  const score = h("input", {
    id: "least-score",
    type: "range",
    min: 0,
    max: 95,
    step: 5,
    value: Math.round(Number(params.get("min_score") ?? 0) * 100),
  });
  const scoreText = h("output", {});
  const review = h("input", { type: "checkbox", checked: params.get("needs_review") === "true" });
  const told = () => {
    score.disabled = !label.value;
    scoreText.textContent = label.value && score.value !== "0" ? `at least ${score.value} %` : "strongest of all";
    if (!label.value) scoreText.textContent = "–";
  };
  for (const one of [label, score]) one.addEventListener("input", told);
  told();
  const form = h(
    "form",
    { class: "card search-form" },
    h("label", { class: "field words" }, h("span", {}, "Words"), text),
    h("label", { class: "field" }, h("span", {}, "Emotion"), label),
    h("label", { class: "field score", for: "least-score" }, h("span", {}, "Its score: ", scoreText), score),
    h("label", { class: "check" }, review, " Only what needs review"),
    h("button", { class: "primary" }, "Search"),
  );
  const read = () => {
    const asked = new URLSearchParams();
    if (text.value.trim()) asked.set("text", text.value.trim().replace(/[“”„]/g, '"'));
    if (label.value) asked.set("label", label.value);
    if (label.value && score.value !== "0") asked.set("min_score", String(Number(score.value) / 100));
    if (review.checked) asked.set("needs_review", "true");
    return asked;
  };
  return { form, read };
}

/** The list of one recording, made with its first row. @param {HTMLElement} results @param {SearchRow} row */
function groupOf(results, row) {
  const known = results.querySelector(`[data-id="${CSS.escape(row.analysis_id)}"] ol`);
  if (known) return known;
  const list = h("ol", {});
  const name = plainName(row.source_name);
  const title = h(
    "h2",
    {},
    h("a", { href: `/?analysis=${row.analysis_id}` }, h("bdi", {}, name.split("/").at(-1) || name)),
  );
  results.append(h("section", { class: "card found", "data-id": row.analysis_id }, title, list));
  return list;
}

/** @param {SearchRow} row @param {string} sought an emotion, or nothing */
function rowView(row, sought) {
  const label = row.label ?? NONE;
  const also =
    sought && sought !== label && row.scores ? `${emotionName(sought)} ${percent(row.scores[sought] ?? 0)}` : "";
  return h(
    "li",
    { "data-emotion": label },
    h(
      "a",
      { class: "time", href: `/?analysis=${row.analysis_id}#t=${(row.start_ms / 1000).toFixed(2)}` },
      clock(row.start_ms),
    ),
    h(
      "div",
      {},
      h("p", { class: "text", lang: languageTag(row.language), dir: "auto" }, row.text),
      row.text_en !== row.text && h("p", { class: "text hint", lang: "en", dir: "auto" }, row.text_en),
    ),
    h(
      "div",
      {},
      h(
        "p",
        { class: "badge" },
        emotionIcon(label),
        h("span", { class: "name" }, emotionName(label)),
        row.confidence === null ? "" : percent(row.confidence),
      ),
      Boolean(also) && h("p", { class: "mixed" }, also),
      row.needs_review &&
        h("p", { class: "mixed" }, h("span", { class: "flag", "aria-hidden": "true" }, "⚑ "), "to review"),
    ),
    h("span", { class: "spoken" }, languageName(row.language)),
  );
}

/** @param {HTMLElement} results @param {string} text as it was asked for */
function markFound(results, text) {
  if (!("highlights" in CSS)) return;
  const highlight = new Highlight();
  CSS.highlights.set("found", highlight);
  const sought = [...text.matchAll(/"([^"]+)"|(\S+)/g)].map((match) => match[1] ?? match[2]);
  for (const element of results.querySelectorAll(".text")) {
    const content = element.firstChild;
    if (!content) continue;
    for (const [start, end] of sought.flatMap((one) => occurrences(element.textContent ?? "", one))) {
      highlight.add(
        new StaticRange({ startContainer: content, startOffset: start, endContainer: content, endOffset: end }),
      );
    }
  }
}
