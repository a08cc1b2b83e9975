import { fromFragment, toFragment } from "./filter.js";
import { clock, parseClock, plainName } from "./format.js";

/** @import { Context } from "./viewer.js" */

const ADDRESS_DELAY_MS = 250; // a held key changes the selection faster than browsers let the address change

/** Keep the address and the state alike, so that any view can be linked to. @param {Context} context */
export function keepAddress({ model, store, actions, signal }) {
  let timer = 0;

  function follow() {
    const { filter, selected, time } = fromFragment(location.hash);
    actions.setFilter(filter);
    const timeMs = time === null ? null : parseClock(time);
    if (timeMs !== null) actions.selectNear(Math.min(timeMs, model.durationMs));
    else if (selected !== null) actions.select(selected);
  }

  if (location.hash) follow();
  window.addEventListener("hashchange", follow, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  store.watch(["filter", "selected"], ({ filter, selected }) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const fragment = toFragment(filter, selected);
      if (fragment || location.hash.length > 1) history.replaceState(history.state, "", `#${fragment}`);
    }, ADDRESS_DELAY_MS);
  });
  store.watch(["selected"], ({ selected }) => {
    const name = plainName(model.analysis.source.name);
    document.title =
      selected === null ? `${name} · EmoScribe` : `${clock(model.sentences[selected].startMs)} ${name} · EmoScribe`;
  });
}
