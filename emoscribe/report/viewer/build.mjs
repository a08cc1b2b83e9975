// Bundles src/ into dist/viewer.js and dist/viewer.css, and the page of the service, which is made of the same parts,
// into ../../web/dist/. `npm ci && npm run build` gives the same bytes everywhere; `node build.mjs --check` writes
// nothing and fails if a dist/ is not what the sources give.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const web = "../../web";
const read = (path) => readFileSync(join(here, path), "utf8");

/** The files of a folder that a bundle is made from, as paths from here. */
function sources(folder) {
  const names = readdirSync(join(here, folder), { recursive: true }).map((name) => name.replaceAll("\\", "/"));
  return names.filter((name) => /\.(js|css|ts|html|svg)$/.test(name)).map((name) => `${folder}/${name}`);
}

/** SHA-256 over the names and contents of everything a bundle is made from; the tests know how. */
function sourcesHash(files) {
  const hash = createHash("sha256");
  for (const name of [...files, "build.mjs", "package-lock.json", "package.json"].sort()) {
    hash.update(`${name}\0${read(name)}\0`);
  }
  return hash.digest("hex");
}

/** The notices of the bundled packages, each licence text once. */
function licences(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  const byText = new Map();
  for (const name of [...packages].sort()) {
    const { version, license } = JSON.parse(read(`node_modules/${name}/package.json`));
    const text = read(`node_modules/${name}/LICENSE`).trim();
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  return [...byText].map(([text, names]) => `${names.join(", ")}\n\n${text}`).join("\n\n----\n\n");
}

const options = { bundle: true, minify: true, target: "es2022", legalComments: "none", write: false, metafile: true };

/** The texts of one script and one style sheet. */
async function bundle(script, style, format, files) {
  const code = await build({ ...options, absWorkingDir: here, entryPoints: [script], format });
  const look = await build({ ...options, absWorkingDir: here, entryPoints: [style] });
  const notice = `EmoScribe viewer, Apache-2.0. Built from sources with SHA-256 ${sourcesHash(files)}`;
  return [
    `/* ${notice}\n\nIt contains:\n\n${licences(code.metafile)}\n*/\n${code.outputFiles[0].text.trim()}\n`,
    `/* ${notice} */\n${look.outputFiles[0].text.trim()}\n`,
  ];
}

const viewer = await bundle("src/main.js", "src/viewer.css", "iife", sources("src"));
for (const text of viewer) {
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error("the viewer could end its own element");
}
const desk = await bundle(`${web}/src/main.js`, `${web}/src/desk.css`, "iife", [
  ...sources("src"),
  ...sources(`${web}/src`),
]);
const outputs = {
  "dist/viewer.js": viewer[0],
  "dist/viewer.css": viewer[1],
  [`${web}/dist/desk.js`]: desk[0],
  [`${web}/dist/desk.css`]: desk[1],
  [`${web}/dist/index.html`]: read(`${web}/src/index.html`),
  [`${web}/dist/icon.svg`]: read(`${web}/src/icon.svg`),
};

const isCheck = process.argv.includes("--check");
for (const [path, text] of Object.entries(outputs)) {
  if (!isCheck) writeFileSync(join(here, path), text);
  else if (read(path) !== text) throw new Error(`${path} is not what the sources give: run npm run build`);
  console.log(`${path} ${Math.round(Buffer.byteLength(text) / 1000)} kB`);
}
