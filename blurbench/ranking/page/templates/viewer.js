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
    this.downloads = [find(".downloads .left"), find(".downloads .right")];
    this.tiles = find(".tiles");
    this.sample = this.data.samples[0];
    this.zoom = 0; // 0: fit
    this.fill();
    this.recall();
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
    const shared = this.data.labels.indexOf("sharp") === 1 ? 2 : 1;
    this.right.value = Math.min(shared, this.data.labels.length - 1); // the best model, or sharp
    for (const side of [this.left, this.right]) side.dataset.usual = side.value;
  }

  // What the address says, where there is such a picture or model.
  recall() {
    const said = (key) => address.get(`${key}-${this.section.dataset.number}`);
    for (const [key, side] of [["left", this.left], ["right", this.right]]) {
      const index = this.data.labels.indexOf(said(key));
      if (index >= 0) side.value = index;
    }
    this.sample = this.data.samples.find((each) => each.id === said("sample")) ?? this.sample;
    const zoom = this.section.querySelector(`.zoom input[value="${Number(said("zoom"))}"]`);
    if (zoom) {
      zoom.checked = true;
      this.zoom = Number(zoom.value);
    }
    this.tick();
  }

  remember(key, value) {
    address.set(`${key}-${this.section.dataset.number}`, String(value), this.section.id);
  }

  // Shows one picture with two models.
  choose(id, left, right) {
    const { labels, samples } = this.data;
    this.sample = samples.find((each) => each.id === id) ?? this.sample;
    [this.left.value, this.right.value] = [labels.indexOf(left), labels.indexOf(right)];
    this.tick();
    this.rememberSides();
    this.remember("sample", this.sample.id);
    this.show();
  }

  rememberSides() {
    for (const [key, side] of [["left", this.left], ["right", this.right]]) {
      const usual = side.value === side.dataset.usual;
      this.remember(key, usual ? "" : this.data.labels[side.value]);
    }
  }

  tick() {
    const index = this.data.samples.indexOf(this.sample);
    this.samples.querySelectorAll("input")[index].checked = true;
  }

  thumbnail(sample) {
    const [label, radio, image] = ["label", "input", "img"].map((tag) => document.createElement(tag));
    radio.type = "radio";
    radio.name = `sample-${this.section.id}`;
    radio.addEventListener("change", () => {
      this.sample = sample;
      this.remember("sample", sample === this.data.samples[0] ? "" : sample.id);
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
      select.addEventListener("change", () => {
        this.rememberSides();
        this.show();
      });
    }
    this.tiles.addEventListener("toggle", () => this.showTiles());
    this.slider.addEventListener("input", () => this.split());
    this.pan.addEventListener("scroll", () => this.split());
    this.under.addEventListener("load", () => this.resize());
    this.over.addEventListener("load", () => this.resize());
    new ResizeObserver(() => this.resize()).observe(this.frame);
    for (const radio of section.querySelectorAll(".zoom input")) {
      radio.addEventListener("change", () => {
        this.setZoom(Number(radio.value));
        this.remember("zoom", this.zoom || "");
      });
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
      [this.over, this.left.value, this.captions[0], this.downloads[0]],
      [this.under, this.right.value, this.captions[1], this.downloads[1]],
    ];
    for (const [image, index, caption, download] of sides) {
      const file = sample.pictures[index];
      const label = this.data.labels[index];
      image.hidden = !file;
      image.alt = `${sample.id}, ${label}`;
      if (file) image.src = download.href = this.path(file);
      download.hidden = !file;
      download.download = `${sample.id}-${label}.webp`.replace(/[^\w.-]+/g, "-");
      download.textContent = `Download ${label}`;
      const name = document.createElement("strong");
      name.textContent = label;
      caption.replaceChildren(name, ` ${file ? sample.notes[index] : "no picture"}`);
    }
    this.showTiles();
    this.resize();
  }

  // Every model's picture at the place that the stage shows; made when they are opened.
  showTiles() {
    if (!this.tiles.open) return;
    const tiles = this.sample.pictures.map((file, index) => file && this.tile(file, index));
    this.tiles.querySelector(".grid").replaceChildren(...tiles.filter(Boolean));
    this.split();
  }

  tile(file, index) {
    const [button, frame, image, score] = ["button", "span", "img", "span"].map((tag) =>
      document.createElement(tag),
    );
    button.type = "button";
    button.setAttribute("aria-pressed", this.right.value === String(index));
    button.addEventListener("click", () => {
      this.right.value = index;
      this.rememberSides();
      this.show();
      this.tiles.querySelector('[aria-pressed="true"]').focus({ preventScroll: true });
    });
    frame.className = "window";
    image.loading = "lazy";
    image.alt = "";
    image.src = this.path(file);
    frame.append(image);
    score.className = "score";
    score.textContent = this.sample.notes[index];
    button.append(frame, this.data.labels[index], score);
    return button;
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
    for (const part of [this.slider, ...[this.captions, this.downloads].map(([a]) => a.parentElement)]) {
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
    const { clientWidth: width, clientHeight: height } = this.pan;
    if (!this.tiles.open || !width) return;
    const style = {
      "--shape": width / height,
      "--scale": this.layers.offsetWidth / width,
      "--x": (this.pan.scrollLeft - this.layers.offsetLeft) / width,
      "--y": (this.pan.scrollTop - this.layers.offsetTop) / height,
    };
    for (const [name, value] of Object.entries(style)) this.tiles.style.setProperty(name, value);
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

// Start ----------------------------------------------------------------------------------------

for (const [index, board] of document.querySelectorAll(".board").entries()) {
  startRank(board, index + 1);
  startColumns(board, index + 1);
  startTables(board, index + 1);
  startCopy(board);
  const section = board.querySelector(".viewer");
  if (!section) continue;
  const viewer = new Viewer(section);
  for (const link of board.querySelectorAll("a.look-at")) {
    const { sample, left, right } = link.dataset;
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the address keeps the choice instead
      viewer.choose(sample, left, right);
      section.scrollIntoView();
    });
  }
}
document.getElementById(address.get("at"))?.scrollIntoView();
