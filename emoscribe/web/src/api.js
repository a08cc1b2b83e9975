/**
 * Requests to the service. The token lives in this closure and in the tab's own storage, and goes nowhere but into the
 * header of requests to where the page came from.
 * @typedef {ReturnType<typeof createApi>} Api
 * @typedef {{ method?: string, json?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} Asked
 */

/** A request that was refused or did not get through, in words for people: the message is the cause. */
export class Refusal extends Error {
  /** @param {number} status 0: the service was not reached @param {Record<string, any>} problem */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? "The service did not answer as expected.");
    this.name = "";
    this.status = status;
    this.code = String(problem.code ?? "");
    this.fix = String(problem.fix ?? "");
    this.problem = problem;
  }
}

const UNREACHED = {
  detail: "The service cannot be reached.",
  fix: "Check the connection, then try again.",
};

/**
 * @param {string | null} token
 * @param {() => void} onUnknown the token is not, or no longer, known
 */
export function createApi(token, onUnknown) {
  /** @type {Record<string, string>} */
  const identity = token === null ? {} : { Authorization: `Bearer ${token}` };

  /** @param {string} path @param {Asked} [asked] @returns {Promise<Response>} */
  async function request(path, { method = "GET", json, headers = {}, signal } = {}) {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const type = /** @type {Record<string, string>} */ (
      json === undefined ? {} : { "Content-Type": "application/json" }
    );
    let response;
    try {
      response = await fetch(path, {
        method,
        body,
        signal,
        headers: { ...identity, ...type, ...headers },
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refusal(0, UNREACHED);
    }
    if (response.ok || response.status === 304) return response;
    if (response.status === 401) onUnknown();
    throw await refusalOf(response);
  }

  return {
    request,

    /** @param {string} path @param {Asked} [asked] @returns {Promise<any>} */
    async json(path, asked) {
      const response = await request(path, asked);
      return response.status === 204 ? null : response.json();
    },

    /**
     * Send a recording as a form, telling how far it is; `fetch` could not.
     * @param {File} file
     * @param {Record<string, string>} fields
     * @param {(bytes: number) => void} onProgress
     * @param {AbortSignal} signal
     * @returns {Promise<any>} the analysis
     */
    upload(file, fields, onProgress, signal) {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append("file", file, file.name);
      const sending = new XMLHttpRequest();
      sending.open("POST", "/v1/analyses");
      for (const [name, value] of Object.entries(identity)) sending.setRequestHeader(name, value);
      sending.upload.addEventListener("progress", (event) => onProgress(event.loaded));
      signal.addEventListener("abort", () => sending.abort());
      return new Promise((resolve, reject) => {
        sending.addEventListener("load", () => {
          const answer = parsed(sending.responseText);
          if (sending.status < 300) return resolve(answer);
          if (sending.status === 401) onUnknown();
          return reject(new Refusal(sending.status, answer));
        });
        sending.addEventListener("error", () => reject(new Refusal(0, UNREACHED)));
        sending.addEventListener("abort", () => reject(new DOMException("Cancelled.", "AbortError")));
        sending.send(form);
      });
    },
  };
}

/** @param {Response} response */
async function refusalOf(response) {
  return new Refusal(response.status, parsed(await response.text().catch(() => "")));
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
