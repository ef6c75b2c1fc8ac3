// Shows what comes of the form while it is filled in. Without this script the button below the form does the same.
"use strict";

(() => {
  const PAUSE = 350; // milliseconds without a key before the server is asked
  const form = document.getElementById("compose");
  if (!form) return;
  const touched = new Set();
  let timer = 0, asking = null;

  const replace = (id, fresh) => {
    const old = document.getElementById(id), next = fresh.getElementById(id);
    if (old && next && old.innerHTML !== next.innerHTML) old.replaceChildren(...next.childNodes);
  };

  const address = () => `${form.action}?${new URLSearchParams(new FormData(form))}`;

  // What is wrong with a field is said once somebody has been there, or has asked for everything.
  function judge(fresh) {
    for (const place of form.querySelectorAll(".mistakes")) {
      const name = place.id.slice(2);
      if (!touched.has(name) && !("asked" in form.dataset)) continue;
      replace(place.id, fresh);
      const field = document.getElementById(`f-${name}`), judged = fresh.getElementById(`f-${name}`);
      if (judged?.hasAttribute("aria-invalid")) field?.setAttribute("aria-invalid", "true");
      else field?.removeAttribute("aria-invalid");
    }
  }

  async function look(withFiles) {
    asking?.abort();
    const mine = asking = new AbortController();
    const wanted = address();
    try {
      const answer = await fetch(wanted, { signal: mine.signal, headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine.signal.aborted) return;
      judge(fresh);
      replace("result", fresh);
      replace("summary", fresh);
      if (!fresh.getElementById("summary")) document.getElementById("summary")?.remove();
      if (withFiles) for (const id of ["browser", "files"]) replace(id, fresh);
      for (const query of document.querySelectorAll('.upload [name="query"]')) query.value = new URL(wanted).search.slice(1);
      history.replaceState(null, "", wanted);
      offerCopy();
    } catch (error) {
      if (error.name !== "AbortError") retry(withFiles);
    }
  }

  function retry(withFiles) {
    clearTimeout(timer);
    timer = setTimeout(() => look(withFiles), 5000);
  }

  function offerCopy() {
    const button = document.getElementById("copy");
    if (button && navigator.clipboard) button.hidden = false;
  }

  form.addEventListener("input", (event) => {
    if (["days", "hours", "minutes", "seconds"].includes(event.target.name)) touched.add("when");
    touched.add(event.target.name.startsWith("param_") ? "params" : event.target.name);
    clearTimeout(timer);
    timer = setTimeout(() => look(event.target.name === "project"), PAUSE);
  });

  form.addEventListener("click", (event) => {
    const button = event.target.closest(".pick");
    if (!button) return;
    event.preventDefault();
    const field = document.getElementById("f-entry_point");
    field.value = button.value;
    for (const other of form.querySelectorAll(".pick[aria-current]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    const name = document.getElementById("f-name");
    if (!name.value) {
      const stem = button.value.replace(/^-m /, "").replace(/\.[^./]*$/, "").split(/[/.]/).pop();
      name.value = stem.replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 100);
    }
    field.focus();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("#copy");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById("yaml").textContent);
    const words = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = words; }, 2000);
  });

  offerCopy();
})();
