"use strict";
// Sorts the tables, opens what is folded for printing, and takes in a newer state of a live page.
(() => {
  const order = new Map(); // table's id → {column, descending}: it outlives an update
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // A number sorts by its size, a text by its letters; what has no key comes last in either order.
  function compare(a, b, descending) {
    if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
    const difference = Number(a) - Number(b);
    const by = Number.isNaN(difference) ? words.compare(a, b) : difference;
    return descending ? -by : by;
  }

  function sort(table, column, descending) {
    const body = table.tBodies[0];
    const key = (row) => row.cells[column].dataset.key;
    const rows = [...body.rows].sort((a, b) => compare(key(a), key(b), descending));
    body.append(...rows);
    [...table.tHead.rows[0].cells].forEach((cell, at) => {
      if (at === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    order.set(table.id, { column, descending });
  }

  function prepare(table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `${table.id}-sort-${column}`;
      button.append(...cell.childNodes);
      button.addEventListener("click", () => {
        const now = cell.getAttribute("aria-sort");
        const numbers = cell.classList.contains("number"); // the largest number is asked for first
        sort(table, column, now ? now === "ascending" : numbers);
      });
      cell.append(button);
    });
    const known = order.get(table.id);
    if (known && known.column < table.tHead.rows[0].cells.length) sort(table, known.column, known.descending);
  }

  function prepareAll() {
    document.querySelectorAll("table[data-sortable]").forEach(prepare);
  }

  // What stands at the top of the window, and where: the page may grow above it.
  function anchor(main) {
    const first = [...main.querySelectorAll("h1, h2, table, details")].find((each) => {
      const box = each.getBoundingClientRect();
      return each.id && box.height && box.bottom > 0;
    });
    return first && { id: first.id, top: first.getBoundingClientRect().top };
  }

  // What a reader has opened, scrolled to or focused, by ids; a focused region is found by its label.
  function place(main) {
    const inside = main.contains(document.activeElement) ? document.activeElement : null;
    return {
      focus: inside && inside.id,
      label: inside && inside.getAttribute("aria-labelledby"),
      summary: inside && inside.tagName === "SUMMARY" && inside.parentElement.id,
      open: [...main.querySelectorAll("details[open]")].map((each) => each.id),
      across: [...main.querySelectorAll(".scroll")].map((each) => [each.getAttribute("aria-labelledby"), each.scrollLeft, each.scrollTop]),
      anchor: anchor(main),
    };
  }

  const labelled = (main, label) => main.querySelector(`[aria-labelledby="${CSS.escape(label)}"]`);

  function restore(main, known) {
    known.open.forEach((id) => { const found = id && document.getElementById(id); if (found) found.open = true; });
    known.across.forEach(([label, left, top]) => {
      const found = label && labelled(main, label);
      if (found) { found.scrollLeft = left; found.scrollTop = top; }
    });
    const focused =
      (known.focus && document.getElementById(known.focus)) ||
      (known.summary && document.querySelector(`#${CSS.escape(known.summary)} > summary`)) ||
      (known.label && labelled(main, known.label));
    if (focused) focused.focus({ preventScroll: true });
    const held = known.anchor && document.getElementById(known.anchor.id);
    if (held) window.scrollBy(0, held.getBoundingClientRect().top - known.anchor.top);
  }

  // `html`: a whole page, or what stands in its <main>; `data`: that of the charts, by default the new page's.
  function update(html, data) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const main = document.querySelector("main");
    const source = fresh.querySelector("main") || fresh.body;
    const known = place(main);
    const drawn = main.querySelector("#charts"); // it stays: it takes in its own numbers
    const spot = source.querySelector("#charts");
    if (drawn && spot) spot.replaceWith(drawn);
    main.replaceChildren(...source.childNodes);
    if (fresh.title) document.title = fresh.title;
    prepareAll();
    const told = fresh.getElementById("chart-data");
    const numbers = data === undefined && told ? JSON.parse(told.textContent) : data;
    if (window.grapeshotCharts && numbers) window.grapeshotCharts.update(numbers);
    restore(main, known);
  }

  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => { each.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));

  prepareAll();
  const told = document.getElementById("chart-data");
  if (window.grapeshotCharts && told) window.grapeshotCharts.draw(JSON.parse(told.textContent));
  window.grapeshotPage = { update };
})();
