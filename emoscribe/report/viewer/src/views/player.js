import { h } from "../dom.js";
import { plainName } from "../format.js";
import { sentenceAt } from "../model.js";

/** @import { Context, Player } from "../viewer.js" */

/**
 * The recording, if it can be had or the reader picks it, and its controls for the rest of the viewer.
 * @param {Context} context
 * @returns {[HTMLElement, Player]}
 */
export function playerView(context) {
  const { model, store, host, signal } = context;
  const video = h("video", { controls: true, preload: "metadata", playsinline: true, "aria-label": "Recording" });
  const message = h("p", { class: "hint", role: "status" });
  const card = h(
    "section",
    { class: "card player", "aria-label": "Recording" },
    video,
    message,
    h("div", { class: "player-foot" }, filePicker(video, message, context), followSwitch(video, context)),
  );
  let hasPlayed = false; // an address that has worked may have run out

  async function load() {
    const url = await host.mediaUrl(model.analysis).catch(() => null);
    if (signal.aborted) return;
    if (url === null) store.set({ media: "missing" });
    else video.src = url;
  }

  video.addEventListener("loadedmetadata", () => {
    card.classList.toggle("audio-only", video.videoWidth === 0);
    video.currentTime = store.get().timeMs / 1000; // the reader may have moved while there was no recording
    hasPlayed = true;
    store.set({ media: "ready" });
  });
  video.addEventListener("error", () => {
    if (hasPlayed) void load();
    else if (video.hasAttribute("src")) store.set({ media: "missing" });
    hasPlayed = false;
  });
  store.watch(["media"], ({ media }) => {
    card.dataset.media = media;
    video.hidden = media === "missing";
    if (media === "missing") message.replaceChildren(...host.absence(model.analysis));
  });
  followTime(video, context);
  signal.addEventListener("abort", () => {
    video.removeAttribute("src"); // or it would go on playing, out of sight
    video.load();
  });
  void load();
  return [card, controlsOf(video, context)];
}

/** @param {HTMLVideoElement} video @param {Context} context @returns {Player} */
function controlsOf(video, { store }) {
  const isReady = () => store.get().media === "ready";
  let stopAtMs = Infinity;
  const watchEnd = () => {
    if (video.currentTime * 1000 >= stopAtMs) video.pause();
    else if (!video.paused) requestAnimationFrame(watchEnd);
  };
  for (const event of ["pause", "seeking"]) {
    video.addEventListener(event, () => {
      stopAtMs = Infinity; // whoever stops it or goes elsewhere has heard enough
    });
  }
  /** @param {number} timeMs */
  function begin(timeMs) {
    stopAtMs = timeMs;
    void video
      .play()
      .then(watchEnd)
      .catch(() => {});
  }

  return {
    seek(timeMs) {
      if (store.get().media !== "missing") video.currentTime = timeMs / 1000;
    },
    play() {
      if (isReady()) void video.play().catch(() => {}); // refused or interrupted: the controls show that it is paused
    },
    playUntil(timeMs) {
      if (!isReady()) return;
      if (video.seeking) video.addEventListener("seeked", () => begin(timeMs), { once: true });
      else begin(timeMs);
    },
    toggle() {
      if (!isReady()) return;
      if (video.paused) this.play();
      else video.pause();
    },
  };
}

/**
 * Tell the store where the recording is: at every frame while it plays, at every jump.
 * @param {HTMLVideoElement} video
 * @param {Context} context
 */
function followTime(video, { model, store, actions }) {
  function tell() {
    const timeMs = Math.round(video.currentTime * 1000);
    store.set({ timeMs, playing: video.paused && !video.currentTime ? -1 : sentenceAt(model.sentences, timeMs) });
  }
  function frame() {
    tell();
    actions.keepInSight(store.get().timeMs);
    if (!video.paused) requestAnimationFrame(frame);
  }
  video.addEventListener("play", frame);
  video.addEventListener("seeked", tell);
}

/** @param {HTMLVideoElement} video @param {HTMLElement} message @param {Context} context */
function filePicker(video, message, { model, store }) {
  const expected = model.analysis.source.name;
  let address = "";
  const input = h("input", { type: "file", accept: "video/*,audio/*,.mkv", class: "picker" });
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (!file) return;
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(file);
    video.hidden = false;
    video.src = address;
    const isOther = !expected.endsWith(file.name);
    message.textContent = isOther
      ? `This is “${plainName(file.name)}”; the report is about “${plainName(expected)}”.`
      : "";
  });
  const caption = h("span", {});
  store.watch(["media"], ({ media }) => {
    caption.textContent = media === "missing" ? "Choose the recording…" : "Another file…";
  });
  return h("label", { class: "pick" }, input, caption);
}

/**
 * Following is given up as soon as the reader scrolls while it plays.
 * @param {HTMLVideoElement} video
 * @param {Context} context
 */
function followSwitch(video, { store, signal }) {
  const input = h("input", { type: "checkbox", on: { change: () => store.set({ following: input.checked }) } });
  const stop = () => {
    if (!video.paused) store.set({ following: false });
  };
  for (const event of ["wheel", "touchmove"]) window.addEventListener(event, stop, { passive: true, signal });
  store.watch(["following"], ({ following }) => {
    input.checked = following;
  });
  return h("label", { class: "check follow" }, input, " Transcript follows");
}
