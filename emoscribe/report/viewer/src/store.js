/**
 * The state of a viewer and who wants to hear of changes.
 * @template {object} State
 * @param {State} initial
 */
export function createStore(initial) {
  let state = initial;
  /** @type {{ keys: (keyof State)[], react: (state: State) => void }[]} */
  const listeners = [];
  return {
    get: () => state,

    /** Change some values; those who watch one that is different now are told. @param {Partial<State>} patch */
    set(patch) {
      const changed = /** @type {(keyof State)[]} */ (Object.keys(patch)).filter((key) => patch[key] !== state[key]);
      if (!changed.length) return;
      state = { ...state, ...patch };
      for (const { keys, react } of [...listeners]) {
        if (keys.some((key) => changed.includes(key))) react(state);
      }
    },

    /**
     * Be told now and whenever one of `keys` changes, until `signal` says otherwise.
     * @param {(keyof State)[]} keys
     * @param {(state: State) => void} react
     * @param {AbortSignal} [signal]
     */
    watch(keys, react, signal) {
      const listener = { keys, react };
      listeners.push(listener);
      signal?.addEventListener("abort", () => listeners.splice(listeners.indexOf(listener), 1));
      react(state);
    },
  };
}
