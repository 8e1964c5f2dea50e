"use strict";

// Tables ---------------------------------------------------------------------------------------

function sortTable(heading) {
  const table = heading.closest("table");
  const first = heading.dataset.first;
  const other = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? other : first;
  for (const each of table.tHead.rows[0].cells) {
    if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", order);
  const key = heading.classList.contains("model")
    ? (row) => row.dataset.model
    : (row) => row.cells[heading.cellIndex].dataset.value;
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b), sign));
  table.tBodies[0].append(...rows);
}

function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last
  const numbers = [Number(a), Number(b)];
  if (numbers.some(Number.isNaN)) return sign * a.localeCompare(b, "en", { numeric: true });
  return sign * (numbers[0] - numbers[1]);
}

function filterTable(board, text) {
  const rows = [...board.querySelectorAll("table.ranking tbody tr")];
  const wanted = text.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.dataset.model.toLowerCase().includes(wanted);
  const shown = rows.filter((row) => !row.hidden).length;
  board.querySelector(".filter .count").textContent = wanted ? `${shown} of ${rows.length}` : "";
}

function startTables(board) {
  for (const heading of board.querySelectorAll("table.ranking th[data-first]")) {
    heading.querySelector("button").addEventListener("click", () => sortTable(heading));
  }
  const filter = board.querySelector(".filter");
  filter.hidden = board.querySelectorAll("table.ranking tbody tr").length < 8;
  filter.querySelector("input").addEventListener("input", (event) => {
    filterTable(board, event.target.value);
  });
  for (const link of board.querySelectorAll("th.model a")) {
    link.addEventListener("click", () => {
      document.getElementById(link.hash.slice(1)).closest("details").open = true;
    });
  }
}

// Pictures -------------------------------------------------------------------------------------

const TALLEST = 640; // px of the stage
const LARGEST_FIT = 6; // a small picture is not blown up beyond this

class Viewer {
  constructor(section) {
    const find = (selector) => section.querySelector(selector);
    this.section = section;
    this.data = JSON.parse(find("script").textContent);
    this.left = find("select.left");
    this.right = find("select.right");
    this.samples = find(".samples");
    this.frame = find(".frame");
    this.slider = find(".slider");
    this.stage = find(".stage");
    this.pan = find(".pan");
    this.layers = find(".layers");
    this.under = find(".under");
    this.over = find(".over");
    this.divider = find(".divider");
    this.captions = [find(".captions .left"), find(".captions .right")];
    this.sample = this.data.samples[0];
    this.zoom = 0; // 0: fit
    this.fill();
    this.listen(section);
    section.hidden = false;
    this.show();
  }

  fill() {
    for (const [index, label] of this.data.labels.entries()) {
      this.left.add(new Option(label, index));
      this.right.add(new Option(label, index));
    }
    for (const sample of this.data.samples) this.samples.append(this.thumbnail(sample));
    this.left.value = 0;
    this.right.value = Math.min(2, this.data.labels.length - 1); // the best model, or sharp
  }

  thumbnail(sample) {
    const [label, radio, image] = ["label", "input", "img"].map((tag) => document.createElement(tag));
    radio.type = "radio";
    radio.name = `sample-${this.section.id}`;
    radio.checked = sample === this.sample;
    radio.addEventListener("change", () => {
      this.sample = sample;
      this.show();
    });
    image.loading = "lazy";
    image.alt = label.title = sample.id;
    image.src = this.path(sample.pictures.find((file) => file));
    label.append(radio, image);
    return label;
  }

  path(file) {
    return `${this.section.dataset.folder}/${file}`;
  }

  listen(section) {
    for (const select of [this.left, this.right]) {
      select.addEventListener("change", () => this.show());
    }
    this.slider.addEventListener("input", () => this.split());
    this.pan.addEventListener("scroll", () => this.split());
    this.under.addEventListener("load", () => this.resize());
    this.over.addEventListener("load", () => this.resize());
    new ResizeObserver(() => this.resize()).observe(this.frame);
    for (const radio of section.querySelectorAll(".zoom input")) {
      radio.addEventListener("change", () => this.setZoom(Number(radio.value)));
    }
    drag(this.divider, () => this.dragDivider());
    drag(this.pan, (event) => {
      if (this.zoom === 0) return this.dragDivider(event);
      return event.pointerType === "mouse" ? this.dragPicture(event) : null;
    });
  }

  show() {
    const { sample } = this;
    const sides = [
      [this.over, this.left.value, this.captions[0]],
      [this.under, this.right.value, this.captions[1]],
    ];
    for (const [image, index, caption] of sides) {
      const file = sample.pictures[index];
      const label = this.data.labels[index];
      image.hidden = !file;
      image.alt = `${sample.id}, ${label}`;
      if (file) image.src = this.path(file);
      const name = document.createElement("strong");
      name.textContent = label;
      caption.replaceChildren(name, ` ${file ? sample.notes[index] : "no picture"}`);
    }
    this.resize();
  }

  setZoom(zoom) {
    const { pan } = this;
    const x = (pan.scrollLeft + pan.clientWidth / 2) / pan.scrollWidth;
    const y = (pan.scrollTop + pan.clientHeight / 2) / pan.scrollHeight;
    this.zoom = zoom;
    this.resize();
    pan.scrollLeft = x * pan.scrollWidth - pan.clientWidth / 2;
    pan.scrollTop = y * pan.scrollHeight - pan.clientHeight / 2;
  }

  resize() {
    const image = this.under.naturalWidth && !this.under.hidden ? this.under : this.over;
    const { naturalWidth: width, naturalHeight: height } = image;
    if (!width) return;
    const tallest = Math.min(TALLEST, 0.75 * window.innerHeight);
    const fit = Math.min(this.frame.clientWidth / width, tallest / height, LARGEST_FIT);
    const scale = this.zoom || fit;
    this.stage.style.width = `${Math.floor(width * fit)}px`;
    this.stage.style.height = `${Math.floor(height * fit)}px`;
    for (const part of [this.slider, this.captions[0].parentElement]) {
      part.style.width = this.stage.style.width;
    }
    this.layers.style.width = `${Math.floor(width * scale)}px`;
    this.layers.style.height = `${Math.floor(height * scale)}px`;
    this.stage.classList.toggle("zoomed", this.zoom > 0);
    this.split();
  }

  split() {
    const x = (this.slider.value / 100) * this.pan.clientWidth;
    const cut = this.pan.scrollLeft + x - this.layers.offsetLeft;
    this.divider.style.left = `${x}px`;
    this.over.style.clipPath = `inset(0 ${this.layers.offsetWidth - cut}px 0 0)`;
  }

  dragDivider(start) {
    const move = (event) => {
      const box = this.pan.getBoundingClientRect();
      this.slider.value = (100 * (event.clientX - box.left)) / box.width;
      this.split();
    };
    if (start) move(start);
    return move;
  }

  dragPicture(start) {
    const { scrollLeft, scrollTop } = this.pan;
    return (event) => {
      this.pan.scrollLeft = scrollLeft - (event.clientX - start.clientX);
      this.pan.scrollTop = scrollTop - (event.clientY - start.clientY);
    };
  }
}

// Calls begin(event) on a press; while the pointer is held, calls what that returned.
function drag(element, begin) {
  let move = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    move = begin(event);
    if (move) element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => move && move(event));
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, () => {
      move = null;
    });
  }
}

for (const board of document.querySelectorAll(".board")) startTables(board);
for (const section of document.querySelectorAll(".viewer")) new Viewer(section);
