/** @param {number} timeMs @returns {string} h:mm:ss */
export function clock(timeMs) {
  const seconds = Math.floor(timeMs / 1000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** @param {number} timeMs @returns {string} h:mm:ss.mmm */
export function preciseClock(timeMs) {
  return `${clock(timeMs)}.${String(timeMs % 1000).padStart(3, "0")}`;
}

/**
 * @param {string} text
 * @returns {number | null} milliseconds from seconds ("83.5") or h:mm:ss, null if it is neither
 */
export function parseClock(text) {
  if (!/^(\d{1,6}:){0,2}\d{1,9}(\.\d{1,3})?$/.test(text)) return null;
  return Math.round(text.split(":").reduce((total, part) => total * 60 + Number(part), 0) * 1000);
}

/** @param {number} probability @returns {string} */
export function percent(probability) {
  return `${Math.round(probability * 100)} %`;
}

/** @param {number} count @param {string} one @param {string} [many] @returns {string} */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const languageNames = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** @param {string} code @returns {string | null} the code as a value of `lang`, null if it can be none */
export function languageTag(code) {
  try {
    return Intl.getCanonicalLocales(code)[0] ?? null;
  } catch {
    return null;
  }
}

/** @param {string} code @returns {string} English name of a language, the code itself if it has none */
export function languageName(code) {
  try {
    return languageNames.of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {string} iso @returns {string} a moment, in UTC */
export function moment(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const text = date.toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  return `${text} UTC`;
}

/** @param {string} name @returns {string} a file name in which nothing can turn the reading direction around */
export function plainName(name) {
  return name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** @param {number} bytes @returns {string} */
export function fileSize(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const step = Math.min(bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** step;
  return `${value.toLocaleString("en", { maximumFractionDigits: step ? 1 : 0 })} ${units[step]}`;
}
