// Builds static/echarts.js and the licences of what is in it; `make charts` calls it.
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = new URL("../grapeshot_launcher/views/html/static/", import.meta.url);
const installed = (path) => readFileSync(new URL(`node_modules/${path}`, import.meta.url), "utf8").trim();

const { version } = JSON.parse(installed("echarts/package.json"));
const notices = [
  installed("echarts/NOTICE"),
  "ECharts is licensed under the Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0. It was changed: parts\n" +
    "were left out, and the rest is minified. It contains zrender and code of d3, whose licences follow.",
  `zrender: ${installed("zrender/LICENSE")}`,
  `d3: ${installed("echarts/licenses/LICENSE-d3")}`,
].join("\n\n");

await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: ["entry.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  charset: "ascii",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  // A report goes to other people as one file, so the notices go with it.
  banner: { js: `/*! Apache ECharts ${version}\n\n${notices}\n*/` },
  plugins: [
    {
      name: "one-language", // ECharts brings its Chinese texts along whatever is imported
      setup({ onResolve }) {
        onResolve({ filter: /langZH\.js$/ }, ({ resolveDir, path }) => ({
          path: new URL(path.replace("ZH", "EN"), `file://${resolveDir}/`).pathname,
        }));
      },
    },
  ],
  outfile: new URL("echarts.js", out).pathname,
});

const licences = ["echarts/LICENSE", "echarts/NOTICE", "echarts/licenses/LICENSE-d3", "zrender/LICENSE", "tslib/LICENSE.txt"];
writeFileSync(
  new URL("echarts.LICENSE.txt", out),
  licences.map((path) => `==== ${path} ====\n\n${installed(path).replace(/[ \t]+$/gm, "").replace(/\n{4,}/g, "\n\n")}\n`).join("\n"),
);
