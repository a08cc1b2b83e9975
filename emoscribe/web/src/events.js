/** @import { Api } from "./api.js" */

const AGAIN_MS = 2000;
const LAST_ID = "end";

/**
 * Server-sent events over `fetch`, because `EventSource` cannot send a token. A stream that breaks off goes on where it
 * was; it ends after the last event or when `signal` says so.
 * @param {Api} api
 * @param {string} path
 * @param {(event: string, data: any) => void} onEvent
 * @param {AbortSignal} signal
 */
export async function watch(api, path, onEvent, signal) {
  let lastId = "";
  while (!signal.aborted && lastId !== LAST_ID) {
    try {
      const headers = /** @type {Record<string, string>} */ (lastId ? { "Last-Event-ID": lastId } : {});
      const response = await api.request(path, {
        headers: { Accept: "text/event-stream", ...headers },
        signal,
      });
      for await (const { event, id, data } of eventsOf(response)) {
        lastId = id || lastId;
        onEvent(event, data);
      }
    } catch (error) {
      const status = /** @type {{ status?: number }} */ (error).status ?? 0;
      if (signal.aborted || (status >= 400 && status < 500)) return;
    }
    if (lastId !== LAST_ID) await pause(AGAIN_MS, signal);
  }
}

/** @param {Response} response @returns {AsyncGenerator<{ event: string, id: string, data: any }>} */
async function* eventsOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const found = eventOf(block);
      if (found) yield found;
    }
  }
}

/** @param {string} block @returns {{ event: string, id: string, data: any } | null} null for a comment */
function eventOf(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  if (!fields.data) return null;
  return {
    event: fields.event ?? "message",
    id: fields.id ?? "",
    data: JSON.parse(fields.data),
  };
}

/** @param {number} timeMs @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(timeMs, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
