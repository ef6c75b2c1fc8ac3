// Keys of the output: only while nobody types. What is pressed within the terminal, which cannot be typed into, counts.
const typing = ({ target }) => target.isContentEditable || (target.closest?.("input, textarea, select") && !target.closest("#terminal"));

export function bindKeys(does) {
  addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event)) return;
      if (!(event.key in does) || document.querySelector("dialog[open]")) return;
      if (does[event.key]() === false) return; // not for us: the keys of every page come next
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );
}
