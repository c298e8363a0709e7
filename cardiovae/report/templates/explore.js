"use strict";
// Sliders and films: every heart lies in a sheet that came with the page.
const DATA = JSON.parse(document.getElementById("data").textContent);
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// An element; text is always text, never markup.
const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

const plain = (value, digits = 4) => {
  if (value == null) return "not measurable";
  const size = Math.abs(value);
  const text = size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
};
const measured = (value, unit) => {
  if (value == null) return plain(value);
  const digits = { "mm²": 0, "": 2 }[unit] ?? 1;
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return text.replace("-", "−") + (unit && unit !== "°" ? " " : "") + unit;
};

const sheets = {};
for (const [name, { src, columns, wide, tall }] of Object.entries(DATA.sheets)) {
  const image = new Image();
  sheets[name] = { image, columns, wide, tall, waiting: new Set() };
  image.onload = () => sheets[name].waiting.forEach((draw) => draw());
  image.src = src;
}

// Draws heart `i` of a sheet, now or once it has loaded.
function drawHeart(canvas, name, i) {
  const { image, columns, wide, tall, waiting } = sheets[name];
  if (!image.complete || !image.naturalWidth) {
    waiting.add(() => drawHeart(canvas, canvas.dataset.sheet, Number(canvas.dataset.heart)));
    Object.assign(canvas.dataset, { sheet: name, heart: i });
    return;
  }
  Object.assign(canvas.dataset, { sheet: name, heart: i });
  const scale = 3;
  const [width, height] = [wide * scale, tall * scale];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.filter = "none";
  pen.fillStyle = DATA.colors.backdrop;
  pen.fillRect(0, 0, width, height);
  pen.filter = "blur(1.6px)"; // takes the stairs off edges of pixels that are three times enlarged
  const [x, y] = [(i % columns) * wide, Math.floor(i / columns) * tall];
  // Half a pixel inside its tile, so that smoothing does not reach the neighbor.
  pen.drawImage(image, x + 0.5, y + 0.5, wide - 1, tall - 1, 0, 0, width, height);
}

// --- sliders
const views = [
  ...DATA.walks.map((w, i) => ({
    name: w.title, sheet: `walk-${i}`, titles: [w.title], units: [w.unit], positions: [w.positions],
    hearts: w.hearts, main: [w.attribute],
  })),
  ...DATA.planes.map((p, i) => ({
    name: p.titles.join(" × "), sheet: `plane-${i}`, titles: p.titles, units: ["code units", "code units"],
    positions: p.positions, hearts: p.hearts, main: p.names,
  })),
];
const what = one("#what");
const dials = [one("#first"), one("#second")];
what.append(...views.map((view, i) => el("option", { value: String(i) }, view.name)));

function chosen() {
  const view = views[Number(what.value)];
  const [i, j] = dials.map((dial) => Number(dial.value));
  return { view, index: view.positions.length > 1 ? i * view.positions[1].length + j : i };
}

function showHeart() {
  const { view, index } = chosen();
  const middle = (view.hearts.failed.length - 1) / 2;
  view.positions.forEach((positions, k) => {
    const unit = view.units[k] ? " " + view.units[k] : "";
    const text = plain(positions[Number(dials[k].value)], 3) + unit;
    one(k ? "#second-value" : "#first-value").textContent = text;
    dials[k].setAttribute("aria-valuetext", text);
  });
  drawHeart(one("#heart"), view.sheet, index);
  const failed = view.hearts.failed[index];
  const verdict = one("#verdict");
  verdict.textContent = failed.length ? `✕ does not pass ${DATA.criteria}: ${failed.join(", ")}` : `✓ passes ${DATA.criteria}`;
  verdict.classList.toggle("bad", failed.length > 0);
  one("#measures").replaceChildren(
    ...Object.entries(DATA.attributes).map(([name, { title, unit }]) => {
      const values = view.hearts.attributes[name];
      const [here, start] = [values[index], values[middle]];
      const gap = here == null || start == null ? "" : (here > start ? "+" : "") + measured(here - start, unit);
      return el("tr", { class: view.main.includes(name) ? "main" : "" },
        el("th", { scope: "row" }, title), el("td", { class: "num now" }, measured(here, unit)),
        el("td", { class: "num" }, index === middle ? "" : gap));
    }),
  );
  const named = view.main.filter((name) => name in DATA.attributes);
  const said = (named.length ? named : ["lv_area"]).map((name) => `${DATA.attributes[name].title} ${measured(view.hearts.attributes[name][index], DATA.attributes[name].unit)}`);
  const place = view.titles.map((title, k) => `${title} at ${dials[k].getAttribute("aria-valuetext")}`);
  one("#heart").setAttribute("aria-label", `Heart, ${place.join(", ")}: ${[...said, verdict.textContent.slice(2)].join(", ")}`);
}

function chooseView() {
  const view = views[Number(what.value)];
  one("#second-dial").hidden = view.positions.length < 2;
  view.positions.forEach((positions, k) => {
    dials[k].max = positions.length - 1;
    dials[k].value = Math.floor((positions.length - 1) / 2);
    one(k ? "#second-name" : "#first-name").textContent = view.titles[k];
  });
  showHeart();
}
what.addEventListener("change", chooseView);
for (const dial of dials) dial.addEventListener("input", showHeart);
chooseView();

// --- films
for (const root of all(".film")) {
  const film = DATA.films[Number(root.dataset.film)];
  const [slider, button, output] = [one(".slider", root), one(".play", root), one("output", root)];
  const n = film.linear.failed.length;
  let [timer, step, pace] = [0, 0, 1];

  const show = (i) => {
    step = i;
    slider.value = i;
    output.textContent = `step ${i} / ${n - 1}`;
    all("canvas", root).forEach((canvas, side) => {
      const kind = canvas.dataset.kind;
      drawHeart(canvas, `film-${root.dataset.film}`, side * n + i);
      const failed = film[kind].failed[i];
      canvas.setAttribute("aria-label", `${kind} film, step ${i}: ${failed.length ? "does not pass" : "passes"}`);
    });
    for (const marks of all(".steps", root)) [...marks.children].forEach((mark, k) => mark.classList.toggle("on", k === i));
  };
  const play = (on) => {
    clearInterval(timer);
    timer = on ? setInterval(() => {
      if (step + pace < 0 || step + pace >= n) pace = -pace;
      show(step + pace);
    }, 90) : 0;
    button.textContent = on ? "❚❚ Pause" : "▶ Play";
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => play(!timer));
  slider.addEventListener("input", () => { play(false); show(Number(slider.value)); });
  show(0);
}
