import { h } from "../dom.js";
import { plainName } from "../format.js";
import { sentenceAt } from "../model.js";

/** @import { Context, Player } from "../viewer.js" */

/**
 * The recording, if it lies beside the page or the reader picks it, and its controls for the rest of the viewer.
 * @param {Context} context
 * @param {string | null} url
 * @returns {[HTMLElement, Player]}
 */
export function playerView(context, url) {
  const { model, store } = context;
  const video = h("video", { controls: true, preload: "metadata", playsinline: true, "aria-label": "Recording" });
  const message = h("p", { class: "hint", role: "status" });
  const card = h(
    "section",
    { class: "card player", "aria-label": "Recording" },
    video,
    message,
    h("div", { class: "player-foot" }, filePicker(video, message, context), followSwitch(video, context)),
  );

  video.addEventListener("loadedmetadata", () => {
    card.classList.toggle("audio-only", video.videoWidth === 0);
    video.currentTime = store.get().timeMs / 1000; // the reader may have moved while there was no recording
    store.set({ media: "ready" });
  });
  video.addEventListener("error", () => store.set({ media: "missing" }));
  store.watch(["media"], ({ media }) => {
    card.dataset.media = media;
    video.hidden = media === "missing";
    if (media === "missing") message.replaceChildren(...absence(model.analysis.source.name));
  });
  followTime(video, context);

  if (url === null) store.set({ media: "missing" });
  else video.src = url;
  return [card, controlsOf(video, context)];
}

/** @param {string} name @returns {(Node | string)[]} */
function absence(name) {
  const file = plainName(name.split(/[/\\]/).at(-1) ?? name);
  return [
    "To watch and listen, put ",
    h("bdi", { class: "file" }, file),
    " beside this report or choose it. (Not found, or not playable in this browser.)",
  ];
}

/** @param {HTMLVideoElement} video @param {Context} context @returns {Player} */
function controlsOf(video, { store }) {
  const isReady = () => store.get().media === "ready";
  return {
    seek(timeMs) {
      if (store.get().media !== "missing") video.currentTime = timeMs / 1000;
    },
    play() {
      if (isReady()) void video.play().catch(() => {}); // refused or interrupted: the controls show that it is paused
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
function followSwitch(video, { store }) {
  const input = h("input", { type: "checkbox", on: { change: () => store.set({ following: input.checked }) } });
  const stop = () => {
    if (!video.paused) store.set({ following: false });
  };
  for (const event of ["wheel", "touchmove"]) window.addEventListener(event, stop, { passive: true });
  store.watch(["following"], ({ following }) => {
    input.checked = following;
  });
  return h("label", { class: "check follow" }, input, " Transcript follows");
}
