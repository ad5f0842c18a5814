// Draws the charts of a report with ECharts from what `chart_data` gives, and draws them anew when that grows.
//
// Leaves to others: every number (charts.py), the elements to draw in and the tables (charts.html.j2), looks (charts.css).
//
// All charts over time share one cursor and one zoom. Nothing is told by colour alone: lines have dashes and marks too.
// Names come from the target: they are set as text, never as HTML. Nothing moves, so there is no motion to reduce.
"use strict";
(() => {
  // Okabe and Ito's colours, told apart by everybody; darker on white and lighter on black, to be seen well.
  const THEMES = {
    light: {
      text: "#1f2328", faint: "#59636e", grid: "#e4e8ec", axis: "#8c959f", tip: "#ffffff",
      phase: ["rgba(80,110,150,0.10)", "rgba(80,110,150,0.03)"],
      blue: "#0072b2", orange: "#b36b00", red: "#c4450c", green: "#00805c", purple: "#a3558a", sky: "#2a86c2", grey: "#5c5c5c",
      heat: [[222, 235, 247], [107, 174, 214], [33, 113, 181], [8, 37, 92]],
    },
    dark: {
      text: "#f0f6fc", faint: "#a4adb8", grid: "#2a313a", axis: "#6e7781", tip: "#1c232c",
      phase: ["rgba(150,180,220,0.14)", "rgba(150,180,220,0.05)"],
      blue: "#4aa8e8", orange: "#e69f00", red: "#f0763b", green: "#2fc39a", purple: "#d98cbf", sky: "#8fd0f5", grey: "#b8b8b8",
      heat: [[18, 42, 70], [31, 95, 150], [88, 166, 232], [214, 236, 255]],
    },
  };
  const ORDER = ["blue", "orange", "red", "green", "purple", "sky", "grey"];
  const BY_NAME = {
    active: "blue", started: "blue", completed: "green", failed: "red", requests: "blue", responses: "green",
    p50: "blue", p95: "orange", p99: "red", max: "grey",
  };
  const BY_CLASS = { 1: ["grey"], 2: ["green", "sky"], 3: ["blue", "sky"], 4: ["orange", "purple"], 5: ["red", "grey"] };
  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 2]];
  const MARKS = ["circle", "triangle", "rect", "diamond", "roundRect", "arrow", "pin"];
  const MARK_SHAPES = {
    circle: "M4 0a4 4 0 1 0 .01 0z", triangle: "M4 0 8 8H0z", rect: "M0 0h8v8H0z", diamond: "M4 -1 9 4 4 9 -1 4z",
    roundRect: "M1 0h6v8H1z", arrow: "M4 0 8 8 4 6 0 8z", pin: "M4 8 1 3a3 3 0 1 1 6 0z",
  };
  const MARKED = 8; // marks on a long line
  const EVERY_POINT = 24; // a line of at most so many points has a mark at each
  const TICKS = [1, 2, 5];
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]; // of time, in seconds
  const LABEL_WIDTH = 60; // pixels of a tick's label, with some room
  const MARK_WIDTH = 90; // pixels of a percentile's name and value

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const paper = window.matchMedia("print");
  const drawn = new Map(); // id of a figure → { chart, hidden: names of lines that are switched off }
  let shown = null; // the data that is drawn
  let zoomed = [0, 100]; // per cent of the load
  let pointedAt = null; // the id of the figure with the cursor
  let logarithmic = false; // the axis of response times

  const theme = () => (dark.matches && !paper.matches ? THEMES.dark : THEMES.light);

  const backdrop = () => {
    // What texts stand on: the page may have colours of its own.
    for (let box = document.querySelector(".chart"); box; box = box.parentElement) {
      const { backgroundColor } = getComputedStyle(box);
      if (!/^rgba\(.*, 0\)$/.test(backgroundColor)) return backgroundColor;
    }
    return theme() === THEMES.dark ? "#000" : "#fff";
  };

  // ---- words ----

  const two = (n) => String(n).padStart(2, "0");
  const clock = (seconds) => {
    const whole = Math.max(Math.round(seconds), 0);
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
  };
  const utc = (seconds) => new Date(shown.start + seconds * 1000).toISOString().slice(11, 19);
  const brief = (value) => {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
    return String(size >= 100 ? Math.round(value) : +value.toPrecision(3));
  };
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const tip = (heading, rows) => {
    const body = rows.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
    return element("div", { class: "tip" }, element("div", {}, heading), element("table", {}, ...body));
  };

  // ---- looks ----

  const looks = (chart) => {
    const ofClass = {};
    return chart.series.map((line, place) => {
      let colour = BY_NAME[line.name] || ORDER[place % ORDER.length];
      if (chart.id === "codes") {
        const known = BY_CLASS[line.name[0]] || ["purple"];
        const nth = (ofClass[line.name[0]] = (ofClass[line.name[0]] ?? -1) + 1);
        colour = known[nth % known.length];
      }
      if (chart.id === "errors") colour = ["red", "orange", "purple", "blue", "green", "sky", "grey"][place % 7];
      return { colour: theme()[colour], dash: DASHES[place % DASHES.length], mark: MARKS[place % MARKS.length] };
    });
  };
  const swatch = (look) => {
    const NS = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(NS, "svg");
    const set = (node, attributes) => Object.entries(attributes).forEach(([k, v]) => node.setAttribute(k, v));
    set(svg, { width: 28, height: 12, viewBox: "0 0 28 12", "aria-hidden": "true" });
    const line = document.createElementNS(NS, "path");
    set(line, { d: "M0 6h28", stroke: look.colour, "stroke-width": 2, "stroke-dasharray": look.dash.join(" "), fill: "none" });
    const mark = document.createElementNS(NS, "path");
    set(mark, { d: MARK_SHAPES[look.mark], fill: look.colour, transform: "translate(10.5 2.5) scale(0.875)" });
    svg.append(line, mark);
    return svg;
  };
  const heatColour = (share) => {
    const stops = theme().heat;
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const mixed = stops[low].map((value, i) => Math.round(value + (stops[low + 1][i] - value) * (at - low)));
    return `rgb(${mixed.join(",")})`;
  };

  // ---- parts of ECharts' options ----

  const label = (extra = {}) => ({ color: theme().faint, fontSize: 11, fontFamily: "inherit", ...extra });
  const timeTicks = (id) => {
    // Where a person would put them in what is shown, as many as there is room for.
    const whole = Math.max(shown.seconds, 1) * 1000;
    const [from, to] = zoomed.map((percent) => (whole * percent) / 100);
    const most = Math.max((drawn.get(id).chart.getWidth() - 72) / LABEL_WIDTH, 2);
    const step = STEPS.map((seconds) => seconds * 1000).find((each) => (to - from) / each <= most) || to - from;
    const ticks = [];
    for (let at = Math.ceil(from / step - 1e-6) * step; at <= to + 1e-6 * step; at += step) ticks.push(at);
    return ticks;
  };
  const timeAxis = (id, pointer = {}) => ({
    type: "value",
    min: 0,
    max: Math.max(shown.seconds, 1) * 1000,
    axisLine: { show: true, lineStyle: { color: theme().axis } },
    axisTick: { show: true, customValues: timeTicks(id), lineStyle: { color: theme().axis } },
    axisLabel: label({
      customValues: timeTicks(id),
      formatter: (ms) => `{at|${clock(ms / 1000)}}\n{wall|${utc(ms / 1000)}}`,
      rich: {
        at: { color: theme().text, fontSize: 11, lineHeight: 15 },
        wall: { color: theme().faint, fontSize: 10, lineHeight: 13 },
      },
    }),
    splitLine: { show: false },
    axisPointer: {
      show: true, snap: false, label: { show: false }, triggerTooltip: true,
      lineStyle: { color: theme().text, width: 1, type: "solid" }, ...pointer,
    },
  });
  const logTicks = (low, high) => {
    const ticks = [];
    const decades = high - low;
    for (let power = Math.floor(low); power <= high; power += 1)
      for (const digit of decades > 4 ? [1] : decades > 2 ? [1, 3] : decades < 0.5 ? [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9] : TICKS) {
        const at = power + Math.log10(digit);
        if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(at);
      }
    return ticks;
  };
  const logAxis = (edges, extra = {}) => {
    // A value axis of logarithms: with ticks where people expect them, whatever it spans.
    const [low, high] = [Math.log10(edges[0]), Math.log10(edges[edges.length - 1])];
    const room = Math.max(0.25 - (high - low), 0) / 2;
    const ticks = logTicks(low - room, high + room);
    return {
      type: "value", min: low - room, max: high + room,
      axisLine: { show: true, lineStyle: { color: theme().axis } },
      axisTick: { show: true, customValues: ticks, lineStyle: { color: theme().axis } },
      axisLabel: label({ customValues: ticks, hideOverlap: true, formatter: (value) => brief(10 ** value) }),
      splitLine: { show: false },
      ...extra,
    };
  };
  const grid = () => ({ left: 48, right: 24, top: 20, bottom: 40 });
  const zooms = (slider) => [
    {
      type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: "shift", moveOnMouseWheel: false,
      preventDefaultMouseMove: false, minValueSpan: 20000, start: zoomed[0], end: zoomed[1],
    },
    {
      type: "slider", show: slider, filterMode: "none", height: 18, bottom: 4, left: 48, right: 24, minValueSpan: 20000,
      start: zoomed[0], end: zoomed[1], showDataShadow: false, brushSelect: false, showDetail: false,
      borderColor: theme().axis, fillerColor: theme().phase[0], handleStyle: { color: backdrop(), borderColor: theme().text },
      moveHandleStyle: { color: theme().axis },
    },
  ];
  const tooltip = (id, formatter, extra = {}) => ({
    confine: true, transitionDuration: 0, backgroundColor: theme().tip, borderColor: theme().axis, padding: [6, 10],
    textStyle: { color: theme().text, fontSize: 13, fontFamily: "inherit" },
    formatter: (found) => (pointedAt === id ? formatter(found) : ""), // one cursor in all charts, one box in one of them
    ...extra,
  });
  const phaseBands = () => ({
    type: "custom", silent: true, z: -5, animation: false, tooltip: { show: false },
    encode: { x: [0, 1], y: -1 },
    data: shown.phases.map((phase) => [phase.from * 1000, phase.to * 1000]),
    renderItem: (params, api) => {
      const phase = shown.phases[params.dataIndex];
      const { x, y, width, height } = params.coordSys;
      const across = (ms) => Math.min(Math.max(api.coord([ms, 0])[0], x), x + width);
      const [left, right] = [across(api.value(0)), across(api.value(1))];
      if (right - left < 0.5) return null;
      const number = phase.name.split(":")[0];
      const words = [phase.name, number].find((text) => text.length * 6 + 6 < right - left) || "";
      return {
        type: "group",
        children: [
          { type: "rect", shape: { x: left, y, width: right - left, height }, style: { fill: theme().phase[params.dataIndex % 2] } },
          { type: "text", style: { text: words, x: left + 2, y: y - 13, fill: theme().faint, fontSize: 10, fontFamily: "inherit" } },
        ],
      };
    },
  });

  // ---- the charts ----

  const middles = () => shown.points.from.map((from, place) => ((from + shown.points.to[place]) / 2) * 1000);
  const pointsOf = (line) => {
    const at = middles();
    const missing = new Set(shown.points.gaps);
    const points = [];
    line.values.forEach((value, place) => {
      if (missing.has(place)) points.push([(at[place - 1] + at[place]) / 2, null]);
      points.push([at[place], value === null || !logarithmicIs(line) ? value : Math.max(value, 0.5)]);
    });
    return points;
  };
  const logarithmicIs = (line) => logarithmic && ["p50", "p95", "p99", "max"].includes(line.name);
  const marksOf = (points, look, place, stacked) => {
    const known = (at) => points[at] !== undefined && points[at][1] !== null;
    const step = points.length <= EVERY_POINT ? 1 : Math.ceil(points.length / MARKED);
    return (value, { dataIndex: at }) => {
      if (stacked && !value[1]) return "none"; // nothing of it is there
      const alone = !known(at - 1) && !known(at + 1);
      return alone || (at + Math.round((place * step) / 4)) % step === 0 ? look.mark : "none";
    };
  };
  const atTime = (seconds) => {
    const { from, to } = shown.points;
    return from.findIndex((start, place) => start <= seconds && seconds <= to[place]);
  };
  const timeHeading = (place) => {
    const { from, to } = shown.points;
    return `${clock(from[place])}–${clock(to[place])} · ${utc(from[place])} UTC`;
  };

  const overTime = (chart) => {
    const look = looks(chart);
    const { hidden } = drawn.get(chart.id);
    const log = chart.id === "times" && logarithmic;
    const lines = chart.series.map((line, place) => {
      const points = pointsOf(line);
      return {
        type: "line", name: line.name, data: points, animation: false, connectNulls: false, z: 3,
        stack: chart.stacked ? "all" : undefined,
        symbol: marksOf(points, look[place], place, chart.stacked), showAllSymbol: true, symbolSize: 6,
        itemStyle: { color: look[place].colour },
        lineStyle: { color: look[place].colour, width: chart.stacked ? 1.5 : 2, type: look[place].dash.length ? look[place].dash : "solid" },
        areaStyle: chart.stacked || chart.id === "users" ? { color: look[place].colour, opacity: chart.stacked ? 0.35 : 0.12 } : undefined,
        emphasis: { disabled: true },
      };
    });
    return {
      animation: false, backgroundColor: "transparent",
      grid: { ...grid(), bottom: chart.id === firstOverTime() ? 66 : 40 },
      tooltip: tooltip(chart.id, (found) => {
        const place = atTime((Array.isArray(found) ? found[0] : found).axisValue / 1000);
        if (place < 0) return "";
        const rows = chart.series.filter((line) => !hidden.has(line.name));
        return tip(timeHeading(place), rows.map((line) => [line.name, `${brief(line.values[place])} ${chart.unit}`]));
      }, { trigger: "axis" }),
      xAxis: timeAxis(chart.id),
      yAxis: {
        type: log ? "log" : "value", min: log ? undefined : 0, splitNumber: 4,
        minInterval: chart.id === "users" ? 1 : undefined,
        axisLabel: label({ formatter: brief }), splitLine: { lineStyle: { color: theme().grid } },
      },
      dataZoom: zooms(chart.id === firstOverTime()),
      series: [phaseBands(), ...lines.filter((line) => !hidden.has(line.name))],
    };
  };
  const firstOverTime = () => shown.charts[0]?.id;

  const heatOption = (heat) => {
    const rates = heat.cells.map(([column, , count]) => count / Math.max(heat.covered[column], 1));
    const [low, high] = [Math.min(...rates), Math.max(...rates)];
    const share = (rate) => (high > low ? Math.log(rate / low) / Math.log(high / low) : 1);
    const levels = heat.edges.map(Math.log10);
    return {
      animation: false, backgroundColor: "transparent",
      grid: grid(),
      tooltip: tooltip("heat", ({ dataIndex }) => {
        const cell = heat.cells[dataIndex];
        if (!cell) return "";
        const [column, row, count] = cell;
        return tip(
          `${clock(heat.from[column])}–${clock(heat.to[column])} · ${utc(heat.from[column])} UTC`,
          [[`${brief(heat.edges[row])}–${brief(heat.edges[row + 1])} ms`, `${count} ${count === 1 ? "response" : "responses"}`]],
        );
      }, { trigger: "item" }),
      xAxis: timeAxis("heat", { triggerTooltip: false }),
      yAxis: logAxis(heat.edges),
      dataZoom: zooms(false),
      series: [
        {
          type: "custom", animation: false, clip: true, z: 3,
          encode: { x: [0, 1], y: [2, 3] },
          data: heat.cells.map(([column, row], at) => [
            heat.from[column] * 1000, heat.to[column] * 1000, levels[row], levels[row + 1], share(rates[at]),
          ]),
          renderItem: (params, api) => {
            const [left, bottom] = api.coord([api.value(0), api.value(2)]);
            const [right, top] = api.coord([api.value(1), api.value(3)]);
            return {
              type: "rect",
              // Half a pixel more: neighbours must not show the page between them.
              shape: { x: left, y: top, width: Math.max(right - left, 1) + 0.5, height: bottom - top + 0.5 },
              style: { fill: heatColour(api.value(4)) },
            };
          },
        },
      ],
    };
  };

  const distributionOption = (spread) => {
    const edges = spread.edges.map(Math.log10);
    const total = spread.counts.reduce((sum, count) => sum + count, 0);
    const heights = spread.counts.map((count, at) => count / (edges[at + 1] - edges[at]));
    const tallest = Math.max(...heights);
    const bars = spread.counts.map((count, at) => [edges[at], edges[at + 1], heights[at] / tallest]);
    const marks = Object.entries(spread.marks);
    return {
      animation: false, backgroundColor: "transparent",
      grid: { ...grid(), left: 24, top: 56, bottom: 24 },
      tooltip: tooltip("distribution", ({ seriesIndex, dataIndex }) => {
        if (seriesIndex !== 0) return "";
        const count = spread.counts[dataIndex];
        return tip(`${brief(spread.edges[dataIndex])}–${brief(spread.edges[dataIndex + 1])} ms`, [
          ["responses", String(count)], ["share", `${((100 * count) / total).toFixed(2)} %`],
        ]);
      }, { trigger: "item" }),
      xAxis: logAxis(spread.edges),
      yAxis: { type: "value", min: 0, max: 1, show: false },
      series: [
        {
          type: "custom", animation: false, clip: true, data: bars, encode: { x: [0, 1], y: 2 },
          renderItem: (params, api) => {
            if (!api.value(2)) return null;
            const [left, top] = api.coord([api.value(0), api.value(2)]);
            const [right, bottom] = api.coord([api.value(1), 0]);
            const height = Math.max(bottom - top, 1); // what is there is seen
            return {
              type: "rect", shape: { x: left, y: bottom - height, width: Math.max(right - left - 1, 1), height },
              style: { fill: theme().blue },
            };
          },
        },
        {
          type: "custom", animation: false, silent: true, z: 5, encode: { x: 0, y: 1 },
          data: marks.map(([, value]) => [Math.log10(Math.max(value, spread.edges[0])), 1]),
          renderItem: (params, api) => {
            const [name, value] = marks[params.dataIndex];
            const [x, top] = api.coord([api.value(0), 1]);
            const { height, width, x: edge } = params.coordSys;
            // Each text is on a row of its own. To the right the leftmost is on top, to the left the rightmost: so no line
            // runs through another one's text. Where neither side has room for all, they are far from each other.
            const at = ([, ms]) => api.coord([Math.log10(Math.max(ms, spread.edges[0])), 1])[0] - edge;
            const rightwards = (mark) => at(marks[marks.length - 1]) + MARK_WIDTH < width || (at(marks[0]) < MARK_WIDTH && at(mark) < width / 2);
            const left = !rightwards(marks[params.dataIndex]);
            const order = [...marks.filter(rightwards), ...marks.filter((mark) => !rightwards(mark)).reverse()];
            const up = 46 - order.indexOf(marks[params.dataIndex]) * 15;
            return {
              type: "group",
              children: [
                { type: "line", shape: { x1: x, y1: top - up + 2, x2: x, y2: top + height }, style: { stroke: theme().text, lineWidth: 1.5, lineDash: DASHES[params.dataIndex] } },
                { type: "text", style: { text: `${name} ${brief(value)} ms`, x: left ? x - 4 : x + 4, y: top - up, align: left ? "right" : "left", fill: theme().text, fontSize: 12, fontFamily: "inherit", stroke: backdrop(), lineWidth: 3 } },
              ],
            };
          },
        },
      ],
    };
  };

  // ---- what stands around a chart ----

  const figureOf = (id) => document.getElementById(`figure-${id}`);
  const legend = (chart) => {
    const box = figureOf(chart.id).querySelector(".chart-legend");
    const { hidden } = drawn.get(chart.id);
    const look = looks(chart);
    const focused = box.contains(document.activeElement) ? [...box.children].indexOf(document.activeElement) : -1;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${chart.title}: lines that are drawn`);
    const buttons = chart.series.map((line, place) => {
      const button = element("button", { type: "button", id: `line-${chart.id}-${place}`, "aria-pressed": String(!hidden.has(line.name)), title: "Show or hide this line" },
        swatch(look[place]), element("span", { class: "name" }, line.name), element("span", { class: "value", "aria-hidden": "true" }));
      button.addEventListener("click", () => {
        if (!hidden.delete(line.name)) hidden.add(line.name);
        show(chart.id);
      });
      return button;
    });
    if (chart.id === "times") {
      const button = element("button", { type: "button", id: "scale-times", "aria-pressed": String(logarithmic), class: "scale" }, "logarithmic axis");
      button.addEventListener("click", () => {
        logarithmic = !logarithmic;
        show(chart.id);
      });
      buttons.push(button);
    }
    box.replaceChildren(...buttons);
    if (focused >= 0) box.children[focused]?.focus();
  };
  const heatLegend = (heat) => {
    const rates = heat.cells.map(([column, , count]) => count / Math.max(heat.covered[column], 1));
    const strip = element("span", { class: "strip" });
    strip.style.cssText = "display:inline-block;width:8rem;height:0.75rem;align-self:center;background:" +
      `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(heatColour).join(", ")})`;
    figureOf("heat").querySelector(".chart-legend").replaceChildren(
      element("span", {}, `${brief(Math.min(...rates))}`), strip,
      element("span", {}, `${brief(Math.max(...rates))} responses a second, on a logarithmic scale`),
    );
  };
  const areaNote = () =>
    figureOf("distribution").querySelector(".chart-legend").replaceChildren(
      element("span", {}, "The area of a bar is its share of all responses."),
    );
  const readOut = (ms) => {
    const place = ms === null ? -1 : atTime(ms / 1000);
    for (const chart of shown.charts)
      figureOf(chart.id).querySelectorAll(".chart-legend .value").forEach((value, nth) => {
        value.textContent = place < 0 ? "" : brief(chart.series[nth].values[place]);
      });
  };
  const table = (chart, figure) => {
    const row = (cells) => element("tr", {}, ...cells.map((cell, at) => element(at ? "td" : "th", at ? {} : { scope: "row" }, cell)));
    const head = element("tr", {}, ...chart.table.head.map((name) => element("th", { scope: "col" }, name)));
    figure.querySelector("table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...chart.table.rows.map(row)));
  };
  const zoomButtons = () => {
    const box = document.getElementById("charts-zoom");
    const whole = Math.max(shown.seconds, 1);
    const spans = [["Whole run", 0, whole], ...shown.phases.map(({ name, from, to }) => [`Phase ${name}`, from, Math.min(to, whole)])];
    if (shown.phases.length < 2 || !shown.charts.length) return box.replaceChildren();
    box.replaceChildren(...spans.filter(([, from, to]) => to > from).map(([name, from, to]) => {
      const range = [(100 * from) / whole, (100 * to) / whole];
      const pressed = range.every((end, at) => Math.abs(end - zoomed[at]) < 0.01);
      const button = element("button", { type: "button", "aria-pressed": String(pressed) }, name);
      button.dataset.range = range.join(" ");
      button.addEventListener("click", () => zoom(...range));
      return button;
    }));
  };
  const pressZoom = () => {
    for (const button of document.querySelectorAll("#charts-zoom button")) {
      const range = button.dataset.range.split(" ").map(Number);
      button.setAttribute("aria-pressed", String(range.every((end, at) => Math.abs(end - zoomed[at]) < 0.01)));
    }
  };

  // ---- drawing ----

  const begin = (id, linked) => {
    const box = document.getElementById(`chart-${id}`);
    const chart = window.echarts.init(box, null, { renderer: "svg" });
    drawn.set(id, { chart, hidden: new Set() });
    box.addEventListener("pointerenter", () => (pointedAt = id));
    box.addEventListener("focus", () => (pointedAt = id));
    new ResizeObserver(() => {
      if (chart.getWidth() === box.clientWidth && chart.getHeight() === box.clientHeight) return;
      chart.resize({ animation: { duration: 0 } });
      if (linked) tickAgain(id);
    }).observe(box);
    if (!linked) return;
    chart.on("updateAxisPointer", ({ axesInfo }) => id === pointedAt && point(axesInfo?.length ? axesInfo[0].value : null));
    chart.on("globalout", () => id === pointedAt && point(null));
    chart.on("datazoom", () => {
      const { start, end } = chart.getOption().dataZoom[0];
      if (start !== zoomed[0] || end !== zoomed[1]) zoom(start, end);
    });
    if (id !== "heat") walk(box, chart);
  };
  const others = (id) => [...drawn].filter(([other]) => other !== id && other !== "distribution").map(([, { chart }]) => chart);
  const point = (ms) => {
    // The cursor of one chart is that of all. ECharts' own link goes by the number of a point, which the heat map has not.
    for (const chart of others(pointedAt)) {
      const [x, y] = ms === null ? [] : [chart.convertToPixel({ xAxisIndex: 0 }, ms), chart.getHeight() / 2];
      chart.dispatchAction({ type: "updateAxisPointer", currTrigger: ms === null ? "leave" : "mousemove", x, y });
    }
    readOut(ms);
  };
  const zoom = (start, end) => {
    zoomed = [start, end];
    for (const chart of others(null)) chart.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, start, end });
    [...drawn.keys()].filter((id) => id !== "distribution").forEach(tickAgain);
    pressZoom();
  };
  const tickAgain = (id) => {
    const customValues = timeTicks(id);
    drawn.get(id).chart.setOption({ xAxis: { axisLabel: { customValues }, axisTick: { customValues } } });
  };
  const walk = (box, chart) => {
    // The arrow keys move the cursor from point to point.
    let place = -1;
    box.setAttribute("tabindex", "0");
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      place = Math.min(Math.max(place + step, 0), shown.points.from.length - 1);
      const [x] = chart.convertToPixel({ gridIndex: 0 }, [middles()[place], 0]);
      chart.dispatchAction({ type: "showTip", x, y: 30 });
    });
    box.addEventListener("blur", () => chart.dispatchAction({ type: "hideTip" }));
  };
  const parts = () => [
    ...shown.charts.map((chart) => [chart, overTime, legend, true]),
    ...(shown.heat ? [[{ id: "heat", ...shown.heat }, heatOption, heatLegend, true]] : []),
    ...(shown.distribution ? [[{ id: "distribution", ...shown.distribution }, distributionOption, areaNote, false]] : []),
  ];
  const show = (only) => {
    for (const [chart, option, around, linked] of parts()) {
      if (only && chart.id !== only) continue;
      const figure = figureOf(chart.id);
      if (!figure) continue;
      figure.hidden = false;
      figure.querySelector(".figure-title").textContent = chart.title;
      figure.querySelector(".table-scroll").setAttribute("aria-label", `${chart.title}: table`);
      figure.querySelector(".chart").setAttribute("aria-label", chart.about);
      figure.classList.toggle("with-slider", chart.id === firstOverTime());
      if (!drawn.has(chart.id)) begin(chart.id, linked);
      drawn.get(chart.id).chart.setOption(option(chart), { replaceMerge: ["series", "yAxis"] });
      around(chart);
    }
    if (!only) zoomButtons();
  };
  const draw = (data) => {
    shown = data;
    show();
  };
  const update = (data) => {
    draw(data);
    document.getElementById("charts-note").textContent = data.note;
    for (const [chart] of parts()) table(chart, figureOf(chart.id));
  };

  const redraw = () => shown && show();
  dark.addEventListener("change", redraw);
  paper.addEventListener("change", redraw);
  window.grapeshotCharts = { draw, update };
})();
