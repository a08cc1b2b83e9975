// Bundles src/ into dist/viewer.js and dist/viewer.css. `npm ci && npm run build` gives the same bytes everywhere;
// `node build.mjs --check` writes nothing and fails if dist/ is not what the sources give.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const read = (path) => readFileSync(join(here, path), "utf8");

/** SHA-256 over the names and contents of everything the bundle is made from; tests/unit/test_report_viewer.py too. */
function sourcesHash() {
  const names = readdirSync(join(here, "src"), { recursive: true }).map((name) => `src/${name.replaceAll("\\", "/")}`);
  const files = names.filter((name) => /\.(js|css|ts)$/.test(name));
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
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
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
const script = await build({ ...options, absWorkingDir: here, entryPoints: ["src/main.js"], format: "iife" });
const style = await build({ ...options, absWorkingDir: here, entryPoints: ["src/viewer.css"] });

const notice = `EmoScribe viewer, Apache-2.0. Built from sources with SHA-256 ${sourcesHash()}`;
const bundled = licences(script.metafile);
const outputs = {
  "dist/viewer.js": `/* ${notice}\n\nIt contains:\n\n${bundled}\n*/\n${script.outputFiles[0].text.trim()}\n`,
  "dist/viewer.css": `/* ${notice} */\n${style.outputFiles[0].text.trim()}\n`,
};

const isCheck = process.argv.includes("--check");
for (const [path, text] of Object.entries(outputs)) {
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`${path} could end its own element`);
  if (!isCheck) writeFileSync(join(here, path), text);
  else if (read(path) !== text) throw new Error(`${path} is not what the sources give: run npm run build`);
  console.log(`${path} ${Math.round(Buffer.byteLength(text) / 1000)} kB`);
}
