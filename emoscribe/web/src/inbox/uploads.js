/** @import { Desk, Job, Upload } from "../types.d.ts" */

const AT_ONCE = 2; // a browser keeps six connections to a place, and others are needed meanwhile

/**
 * Recordings on their way, a few at a time.
 * @param {Desk} desk
 * @param {(uploads: Upload[]) => void} onChange
 * @param {(job: Job) => void} onDone
 */
export function uploadQueue(desk, onChange, onDone) {
  /** @type {{ upload: Upload, fields: Record<string, string>, control: AbortController }[]} */
  let items = [];
  let count = 0;

  const tell = () => onChange(items.map((item) => item.upload));

  /** @param {number} key */
  function remove(key) {
    items.find((item) => item.upload.key === key)?.control.abort();
    items = items.filter((item) => item.upload.key !== key);
    tell();
    next();
  }

  function next() {
    const sending = items.filter((item) => item.upload.state === "sending").length;
    const waiting = items.filter((item) => item.upload.state === "waiting");
    for (const item of waiting.slice(0, Math.max(AT_ONCE - sending, 0))) void send(item);
  }

  /** @param {typeof items[number]} item */
  async function send(item) {
    const { upload, fields, control } = item;
    const change = (/** @type {Partial<Upload>} */ patch) => {
      item.upload = { ...item.upload, ...patch };
      tell();
    };
    change({ state: "sending" });
    try {
      const job = await desk.api.upload(upload.file, fields, (sentBytes) => change({ sentBytes }), control.signal);
      desk.announce(`${upload.file.name} has arrived.`);
      onDone(job);
      remove(upload.key);
    } catch (error) {
      if (control.signal.aborted) return;
      change({ state: "failed", error: /** @type {Error} */ (error) });
      next();
    }
  }

  return {
    /** @param {Iterable<File>} files @param {Record<string, string>} fields */
    add(files, fields) {
      for (const file of files) {
        count += 1;
        const key = count;
        /** @type {Upload} */
        const upload = {
          key,
          file,
          state: "waiting",
          sentBytes: 0,
          error: null,
          cancel: () => remove(key),
        };
        items.push({ upload, fields, control: new AbortController() });
      }
      tell();
      next();
    },
    get isBusy() {
      return items.some((item) => item.upload.state !== "failed");
    },
    /** Give everything up. */
    stop() {
      for (const item of items) item.control.abort();
      items = [];
    },
  };
}
