// Times where the viewer is. Without this script pages show UTC, and say so.
"use strict";

const times = (() => {
  const spoken = document.documentElement.lang;
  const language = spoken === "en" ? "en-GB" : spoken; // the day before the month, as the server writes it
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const SECONDS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const FORMS = {
    clock: SECONDS,
    minute: MINUTES,
    weekday: { weekday: "short", day: "2-digit" },
    moment: { weekday: "short", day: "2-digit", month: "short", ...SECONDS },
    whole: { year: "numeric", month: "2-digit", day: "2-digit", ...SECONDS },
  };
  const known = new Map();

  function formatted(instant, form, zone) {
    const key = `${form} ${zone}`;
    if (!known.has(key)) {
      try {
        known.set(key, new Intl.DateTimeFormat(language, { ...FORMS[form], timeZone: zone }));
      } catch {
        known.set(key, null); // a zone that this browser does not know
      }
    }
    return known.get(key)?.format(instant);
  }

  // Says an instant on the viewer's clock, where the page shows a clock at all, and on every other one in the tooltip.
  function tell(time) {
    const instant = new Date(time.dateTime);
    if (Number.isNaN(instant.getTime())) return;
    if (time.dataset.form in FORMS) time.textContent = formatted(instant, time.dataset.form, here);
    const lines = [...new Set([here, time.dataset.zone, "UTC"])].filter(Boolean).map((zone) => {
      const words = formatted(instant, "whole", zone);
      return words && `${words} ${zone}`;
    });
    time.title = lines.filter(Boolean).join("\n");
  }

  function tellAll(root) {
    root.querySelectorAll("time[datetime]").forEach(tell);
    root.querySelectorAll("[data-here]").forEach((one) => { one.textContent = here; });
  }

  tellAll(document);
  return { tellAll, clock: () => formatted(new Date(), "clock", here) };
})();
