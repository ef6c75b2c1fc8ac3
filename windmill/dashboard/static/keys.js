// Keys for those who would rather not reach for the mouse; never while somebody types.
"use strict";

(() => {
  const PATIENCE = 1500; // milliseconds between g and what follows
  const dialog = document.getElementById("keys");
  const menu = document.querySelector(".menu");
  let going = -Infinity;

  const typing = ({ target }) => target.isContentEditable || target.closest?.("input, textarea, select, .xterm");

  function search() {
    const field = document.querySelector("main input[type=search]");
    if (!field) return location.assign("/#search"); // the jobs can be searched
    field.focus();
    field.select();
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open || typing(event)) return;
    const after = performance.now() - going < PATIENCE;
    going = -Infinity;
    if (after) {
      const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
      if (link) location.assign(link.href);
    } else if (event.key === "g") {
      going = performance.now();
      return;
    } else if (event.key === "/") search();
    else if (event.key === "?") dialog.showModal();
    else if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", pressed);
  document.addEventListener("click", ({ target }) => {
    if (!menu.contains(target)) menu.open = false;
  });
  const button = document.getElementById("show-keys");
  button.hidden = false;
  button.addEventListener("click", () => {
    menu.open = false;
    dialog.showModal();
  });
  if (location.hash === "#search") search();
})();
