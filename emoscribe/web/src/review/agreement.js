import { h } from "../../../report/viewer/src/dom.js";
import { EMOTIONS, emotionIcon, emotionName } from "../../../report/viewer/src/emotions.js";
import { percent } from "../../../report/viewer/src/format.js";

/** @import { Model } from "../../../report/viewer/src/model.js" */
/** @import { Review } from "./review.js" */

/** How often people agree with each of the model's answers, and who decided. @param {Review} review @param {Model} model */
export function agreementView(review, model) {
  const body = h("tbody", {});
  const people = h("p", { class: "hint" });
  const box = h(
    "details",
    { class: "agreement" },
    h("summary", {}, "Agreement with the model"),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h("tr", {}, ...["Model says", "Reviewed", "Agreed"].map((name) => h("th", { scope: "col" }, name))),
      ),
      body,
    ),
    people,
  );
  review.store.watch(["byPlace"], ({ byPlace }) => {
    box.hidden = byPlace.size === 0;
    /** @type {Map<string, number>} */
    const byPerson = new Map();
    for (const { reviewer } of byPlace.values()) byPerson.set(reviewer, (byPerson.get(reviewer) ?? 0) + 1);
    people.replaceChildren(
      "Decided by ",
      ...[...byPerson].flatMap(([name, count], at) => [at ? ", " : "", h("bdi", {}, name), ` (${count})`]),
    );
    body.replaceChildren(
      ...EMOTIONS.flatMap((emotion) => {
        const places = [...byPlace.keys()].filter((at) => model.sentences[at].label === emotion);
        const agreed = places.filter((at) => byPlace.get(at)?.label === emotion).length;
        return places.length ? [row(emotion, places.length, agreed)] : [];
      }),
    );
  });
  return box;
}

/** @param {string} emotion @param {number} reviewed @param {number} agreed */
function row(emotion, reviewed, agreed) {
  return h(
    "tr",
    { "data-emotion": emotion },
    h("th", { scope: "row" }, emotionIcon(emotion), emotionName(emotion)),
    h("td", {}, reviewed.toLocaleString("en")),
    h("td", {}, `${agreed.toLocaleString("en")} (${percent(agreed / reviewed)})`),
  );
}
