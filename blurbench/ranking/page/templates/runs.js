"use strict";

// A tick shows or hides a run in every drawing.
for (const tick of document.querySelectorAll("input[data-run]")) {
  tick.addEventListener("change", () => {
    for (const each of document.querySelectorAll(`:is(g, section)[data-run="${tick.dataset.run}"]`)) {
      each.toggleAttribute("hidden", !tick.checked);
    }
  });
}
