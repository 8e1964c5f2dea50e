"use strict";

// The address keeps what was chosen: #sort-1=psnr:descending&sample-2=id7, a number a board.
// Any other # is a link within the page.

const address = {
  values: new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""),

  get(key) {
    return this.values.get(key) ?? "";
  },

  // `place` is the id of what to show when the address is opened; "" forgets the key.
  set(key, value, place) {
    if (value === "") this.values.delete(key);
    else this.values.set(key, value);
    this.values.delete("at");
    if (this.values.size) this.values.set("at", place);
    history.replaceState(null, "", `#${this.values}`);
  },
};

window.addEventListener("hashchange", () => {
  if (location.hash.includes("=")) location.reload(); // an address typed over this one
});
