"use strict";
// Draws p95 and rate by commit with ECharts, and shows the runs of the chosen branch and script.
//
// Leaves to others: every number (trend.py), the table and its sorting (page.js), looks (trend.css).
//
// Lines differ by colour, dash and mark. Names come from reports: they are set as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("trend-data").textContent);
  const LIGHT = ["#0072b2", "#b36b00", "#00805c", "#a3558a", "#2a86c2", "#5c5c5c"];
  const DARK = ["#4aa8e8", "#e69f00", "#2fc39a", "#d98cbf", "#8fd0f5", "#b8b8b8"];
  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2]];
  const MARKS = ["circle", "triangle", "rect", "diamond", "roundRect", "arrow"];
  const SHAPES = ["M6 1a5 5 0 1 0 .01 0z", "M6 1 11 11H1z", "M1.5 1.5h9v9h-9z", "M6 0 12 6 6 12 0 6z", "M2 1.5h8v9H2z", "M6 0 12 12 6 9 0 12z"];
  const DOWN = "path://M0 0H10L5 9z";
  const UP = "path://M0 9H10L5 0z";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const paper = window.matchMedia("print");
  const charts = new Map();
  const byId = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const hue = (ref) => (dark.matches && !paper.matches ? DARK : LIGHT)[ref % LIGHT.length];
  const chosen = (id) => { const { value } = byId(id); return value === "" ? null : Number(value); };
  const number = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 1 }));

  function selection() {
    const [ref, plan] = [chosen("choice-ref"), chosen("choice-plan")];
    const fits = (each) => (ref === null || each.ref === ref) && (plan === null || each.plan === plan);
    const runs = data.runs.filter(fits);
    const commits = [...new Set(runs.map((run) => run.at))].sort((a, b) => a - b);
    return { runs, lines: data.lines.filter(fits), commits, place: new Map(commits.map((at, x) => [at, x])) };
  }

  function tip(run) {
    const box = document.createElement("div");
    box.className = "tip";
    const lines = [
      `${data.commits[run.at]} · ${data.refs[run.ref]}`,
      `p95 ${number(run.p95)} ms · ${number(run.rate)}/s`,
      `${run.verdict} · ${run.began}`,
      ...(run.change ? [`${run.change}: ${run.told}`] : []),
    ];
    lines.forEach((text) => { const line = document.createElement("div"); line.textContent = text; box.append(line); });
    return box;
  }

  function markOf(run) {
    const [bad, good] = [colour("--fail"), colour("--pass")];
    if (run.change === "regression") return { symbol: UP, symbolSize: 15, itemStyle: { color: bad, borderColor: colour("--card"), borderWidth: 1 } };
    if (run.change === "improvement") return { symbol: DOWN, symbolSize: 15, itemStyle: { color: good, borderColor: colour("--card"), borderWidth: 1 } };
    if (!run.joined) return { symbol: MARKS[run.ref % MARKS.length], symbolSize: 9, itemStyle: { color: colour("--card"), borderColor: colour("--warn"), borderWidth: 2 } };
    return { symbol: MARKS[run.ref % MARKS.length], symbolSize: 7, itemStyle: { color: hue(run.ref) } };
  }

  function options(key, index, width, { runs, lines, commits, place }) {
    const faint = { color: colour("--quiet"), fontSize: 11, fontFamily: "inherit" };
    return {
      animation: false,
      backgroundColor: "transparent",
      grid: { left: 56, right: 20, top: 22, bottom: 84 },
      tooltip: {
        trigger: "item", confine: true, transitionDuration: 0, backgroundColor: colour("--card"), borderColor: colour("--line"),
        textStyle: { color: colour("--ink"), fontSize: 13, fontFamily: "inherit" }, formatter: (found) => (found.data.run ? tip(found.data.run) : ""),
      },
      xAxis: {
        type: "category", data: commits.map((at) => data.commits[at]), boundaryGap: true,
        axisLabel: { ...faint, interval: Math.ceil(commits.length / Math.max((width - 76) / 24, 1)) - 1, rotate: 45, width: 100, overflow: "truncate" },
        axisLine: { lineStyle: { color: colour("--quiet") } }, axisTick: { alignWithLabel: true },
      },
      yAxis: { type: "value", min: 0, boundaryGap: [0, "10%"], axisLabel: faint, splitLine: { lineStyle: { color: colour("--line") } } },
      series: [
        ...lines.map((line) => ({
          type: "line", silent: true, showSymbol: false, symbol: "none", connectNulls: true,
          lineStyle: { color: hue(line.ref), width: 2, type: DASHES[line.ref % DASHES.length] },
          data: line.joints.map((joint) => [place.get(joint[0]), joint[index]]),
        })),
        {
          type: "line", lineStyle: { width: 0, opacity: 0 }, showSymbol: true, showAllSymbol: true, z: 5,
          data: runs.filter((run) => run[key] !== null).map((run) => ({ value: [place.get(run.at), run[key]], run, ...markOf(run) })),
        },
      ],
    };
  }

  function swatch(path, fill, stroke, dash) {
    const NS = "http://www.w3.org/2000/svg";
    const make = (tag, attributes) => {
      const made = document.createElementNS(NS, tag);
      Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
      return made;
    };
    const svg = make("svg", { width: 32, height: 12, viewBox: "0 0 32 12", "aria-hidden": "true" });
    if (dash) svg.append(make("path", { d: "M0 6h32", stroke, "stroke-width": 2, "stroke-dasharray": dash.join(" "), fill: "none" }));
    svg.append(make("path", { d: path, fill, stroke, "stroke-width": dash ? 0 : 1.5, transform: "translate(10 0)" }));
    return svg;
  }

  function legend({ runs }) {
    const refs = [...new Set(runs.map((run) => run.ref))].sort((a, b) => a - b);
    const items = refs.map((ref) => [swatch(SHAPES[ref % SHAPES.length], hue(ref), hue(ref), DASHES[ref % DASHES.length]), data.refs[ref]]);
    if (runs.some((run) => run.change === "regression")) items.push([swatch("M1 11H11L6 1z", colour("--fail"), "none"), "regression against the commit before"]);
    if (runs.some((run) => run.change === "improvement")) items.push([swatch("M1 1H11L6 11z", colour("--pass"), "none"), "improvement"]);
    if (runs.some((run) => !run.joined)) items.push([swatch(SHAPES[0], "none", colour("--warn")), "invalid, stopped or without a plan: not joined"]);
    byId("legend").replaceChildren(...items.map(([mark, text]) => { const item = document.createElement("li"); item.append(mark, document.createTextNode(text)); return item; }));
  }

  function show() {
    const found = selection();
    for (const [key, index] of [["p95", 1], ["rate", 2]]) {
      const spot = byId(`trend-${key}`);
      if (!charts.has(key)) charts.set(key, window.echarts.init(spot, null, { renderer: "svg" }));
      charts.get(key).setOption(options(key, index, spot.clientWidth, found), { notMerge: true });
    }
    legend(found);
    const [ref, plan] = [chosen("choice-ref"), chosen("choice-plan")];
    for (const row of byId("runs-table").tBodies[0].rows)
      row.hidden = (ref !== null && Number(row.dataset.ref) !== ref) || (plan !== null && Number(row.dataset.plan) !== plan);
    byId("choice-told").textContent = `${found.runs.length} of ${data.runs.length} runs are shown.`;
  }

  const fit = () => { charts.forEach((chart) => chart.resize()); show(); };
  byId("choices").hidden = false;
  byId("trends").hidden = false;
  show();
  byId("choices").addEventListener("change", show);
  byId("choices").addEventListener("submit", (event) => event.preventDefault());
  dark.addEventListener("change", show);
  paper.addEventListener("change", fit);
  window.addEventListener("resize", fit);
})();
