"use strict";
// Asks the launcher for the newest state of the page, once a second, and says when there will be none any more.
(() => {
  const EVERY = 1000, HIDDEN = 4000, LIMIT = 8000, PATIENCE = 3; // ms; failed looks until it is told
  const note = document.createElement("p");
  note.id = "live-state";
  note.setAttribute("role", "status");
  document.querySelector("header.bar").append(note);
  const say = (text) => { if (note.textContent !== text) note.textContent = text; };
  const clock = () => new Date().toLocaleTimeString();
  let tag = "", failed = 0, seen = clock();

  async function look() {
    const answer = await fetch("/", { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {}, signal: AbortSignal.timeout(LIMIT) });
    if (answer.status === 200) {
      const html = await answer.text();
      window.grapeshotPage.update(html); // the first too: a period may have ended since the page was sent
      tag = answer.headers.get("ETag");
      seen = clock();
    } else if (answer.status !== 304) {
      throw new Error(answer.status);
    }
    return answer.headers.get("Grapeshot-State") === "ended";
  }

  async function follow() {
    try {
      const ended = await look();
      failed = 0;
      if (ended) {
        say("The run has ended. This page no longer changes.");
        return;
      }
      say("Live: renewed with each period of ten seconds.");
    } catch {
      failed += 1;
      if (failed >= PATIENCE) say(`The launcher can't be reached. What you see is of ${seen}.`);
    }
    setTimeout(follow, (document.hidden ? HIDDEN : EVERY) * Math.min(failed + 1, 10));
  }

  follow();
})();
