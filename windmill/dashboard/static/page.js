// Keeps a page that stays open as it would be if it were loaded now: #live, where there is one, and the scheduler's
// heartbeat. Nobody loses focus, typed text, opened details or their place, and a hidden tab asks for nothing.
"use strict";

(() => {
  const EVERY = 5000; // milliseconds
  const HEARD = "#heart:outerMorph,#alarm:outerMorph,#problem-count:outerMorph";
  const source = document.getElementById("refresh");
  const gone = document.getElementById("gone");
  const live = () => document.querySelector("main #live:not([role=status])");
  let last = times.clock(), since = performance.now(), timer = 0, failed = false, asking = false;

  // What the server wrote in UTC is put on the viewer's clock before it is compared with what stands there.
  source.addEventListener("htmx:before:swap", ({ detail }) => {
    for (const task of detail.tasks) times.tellAll(task.fragment);
  });

  function connected(is) {
    gone.textContent = is ? "" : gone.dataset.words.replace("{time}", last);
    gone.classList.toggle("shown", !is);
    document.body.classList.toggle("disconnected", !is);
    if (is) last = times.clock();
  }

  async function refresh() {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    failed = false;
    const here = live();
    const address = here ? location.pathname + location.search : source.dataset.heart;
    const wanted = here ? `${HEARD},#as-of:outerMorph,#live:outerMorph` : HEARD;
    await htmx.ajax("GET", address, { source, swap: "none", selectOOB: wanted });
    asking = false;
    since = performance.now();
    if (failed !== null) connected(!failed);
    timer = setTimeout(refresh, EVERY);
  }

  source.addEventListener("htmx:error", () => { failed = true; });
  source.addEventListener("htmx:response:error", ({ detail }) => {
    const { status } = detail.ctx.response;
    if (status === 401) location.reload(); // where one signs in again
    failed = status >= 500 ? true : null; // what is wrong with the request says nothing of the server
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, Math.max(EVERY - (performance.now() - since), 0));
  });
  addEventListener("online", refresh);
  timer = setTimeout(refresh, EVERY);
})();
