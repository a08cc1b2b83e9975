import { h } from "../dom.js";
import { plainName } from "../format.js";

/** @import { Context } from "../viewer.js" */

const PADDING = 16;
const TITLE_HEIGHT = 34;
const PIXELS_PER_UNIT = 2; // sharp on paper and slides
const COPIED = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin"],
  ...["opacity", "font-size", "font-family", "font-weight", "text-anchor"],
];
const LEFT_OUT = ".surface, .playhead, .chosen, [hidden]";

/** Save the chart as a picture, as it is seen now. @param {() => SVGSVGElement | null} chart @param {Context} context */
export function pictureMenu(chart, { model }) {
  const name = plainName(model.analysis.source.name);
  const menu = h("details", { class: "menu" }, h("summary", {}, "Picture"));
  const item = (/** @type {string} */ text, /** @type {(svg: SVGSVGElement) => void} */ act) =>
    h(
      "button",
      {
        type: "button",
        on: {
          click() {
            const svg = chart();
            if (svg) act(standalone(svg, name));
            menu.open = false;
          },
        },
      },
      text,
    );
  const stem = `${(name.split(/[/\\]/).at(-1) ?? "").replace(/\.[^.]*$/, "") || "analysis"}-emotions`;
  menu.append(
    h(
      "div",
      { class: "menu-items" },
      item("Save as PNG", (svg) => void savePng(svg, `${stem}.png`)),
      item("Save as SVG", (svg) => save(svgFile(svg), `${stem}.svg`)),
    ),
  );
  return menu;
}

/**
 * A copy that needs no style sheet, on a ground and under a title of its own.
 * @param {SVGSVGElement} svg
 * @param {string} title
 */
export function standalone(svg, title) {
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, at) => {
    const style = getComputedStyle(originals[at]);
    for (const property of COPIED) element.setAttribute(property, style.getPropertyValue(property));
  });
  for (const element of copy.querySelectorAll(LEFT_OUT)) element.remove();
  const { width, height } = svg.viewBox.baseVal;
  const page = getComputedStyle(document.body);
  const card = getComputedStyle(svg.closest(".card") ?? document.body);
  const [whole, tall] = [width + 2 * PADDING, height + TITLE_HEIGHT + PADDING];
  for (const [key, value] of Object.entries({ x: PADDING, y: TITLE_HEIGHT, width, height })) {
    copy.setAttribute(key, String(value));
  }
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ width: whole, height: tall, viewBox: `0 0 ${whole} ${tall}` })) {
    picture.setAttribute(key, String(value));
  }
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of Object.entries({ width: whole, height: tall, fill: card.backgroundColor })) {
    ground.setAttribute(key, String(value));
  }
  const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
  const look = { x: PADDING, y: 22, fill: page.color, "font-family": page.fontFamily, "font-size": "13px" };
  for (const [key, value] of Object.entries(look)) text.setAttribute(key, String(value));
  text.textContent = `Emotion expressed in the words: ${title}`;
  picture.append(ground, text, copy);
  return picture;
}

/** @param {SVGSVGElement} svg */
function svgFile(svg) {
  return new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
}

/** @param {SVGSVGElement} svg @param {string} name */
async function savePng(svg, name) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  const canvas = h("canvas", {
    width: svg.width.baseVal.value * PIXELS_PER_UNIT,
    height: svg.height.baseVal.value * PIXELS_PER_UNIT,
  });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && save(blob, name), "image/png");
}

/** Hand a file to the reader. @param {Blob} content @param {string} name */
export function save(content, name) {
  const address = URL.createObjectURL(content);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // browsers do not tell when they have taken it
}
