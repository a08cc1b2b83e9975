/** @import { Model } from "../../../report/viewer/src/model.js" */
/** @import { Correction, Corrections, Desk } from "../types.d.ts" */

/**
 * Sends decisions one after the other, each with the revision its reviewer had seen.
 * @param {string} id
 * @param {Model} model
 * @param {Desk} desk
 */
export function sender(id, model, desk) {
  /** @type {Map<number, number>} */
  const revisions = new Map(); // by place, with those on their way counted
  let last = Promise.resolve();
  let waiting = 0;
  let etag = "";

  /**
   * @param {number} at
   * @param {{ label: string | null, mixed: string[] }} answer
   * @param {boolean} mayTrain
   * @returns {Promise<Correction>} what stands now
   */
  async function send(at, { label, mixed }, mayTrain) {
    const seen = revisions.get(at) ?? 0;
    revisions.set(at, seen + 1);
    waiting += 1;
    const path = `/v1/analyses/${id}/segments/${model.sentences[at].segment.index}/correction`;
    const headers = { "If-Match": `"${seen}"` };
    const asked =
      label === null
        ? { method: "DELETE", headers }
        : {
            method: "PUT",
            headers,
            json: { label, mixed, may_train: mayTrain },
          };
    const sending = last.then(() => desk.api.json(path, asked));
    last = sending.catch(() => {});
    try {
      const made = await sending;
      revisions.set(at, Math.max(made.revision, revisions.get(at) ?? 0));
      return made;
    } catch (error) {
      const { problem } = /** @type {{ problem?: { current?: Correction } }} */ (error);
      revisions.set(at, problem?.current?.revision ?? seen);
      throw error;
    } finally {
      waiting -= 1;
    }
  }

  return {
    send,
    get isBusy() {
      return waiting > 0;
    },

    /** @param {Correction[]} corrections @param {Map<number, number>} placeOf by index */
    learn(corrections, placeOf) {
      for (const one of corrections) revisions.set(placeOf.get(one.segment_index) ?? -1, one.revision);
    },

    /** What stands on the service; null if that is what was known. @param {AbortSignal} signal @returns {Promise<Corrections | null>} */
    async known(signal) {
      const headers = /** @type {Record<string, string>} */ (etag ? { "If-None-Match": etag } : {});
      const response = await desk.api.request(`/v1/analyses/${id}/corrections`, { headers, signal });
      if (response.status === 304) return null;
      etag = response.headers.get("ETag") ?? "";
      return response.json();
    },
  };
}
