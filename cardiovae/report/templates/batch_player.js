"use strict";
// Shared by the list and the pages: small helpers, and the player of a sheet of frames.
(() => {
  const C = (window.CARDIOVAE ??= {});
  C.glyphs = { F: "✕", N: "?", E: "!", P: "✓" };
  C.one = (selector, root = document) => root.querySelector(selector);
  C.all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // An element; text is always text, never markup.
  C.el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === false || value == null) continue;
      if (name === "on") for (const [type, act] of Object.entries(value)) node.addEventListener(type, act);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child != null));
    return node;
  };

  C.number = (value, unit = "") => {
    if (value == null) return "not measurable";
    if (unit === "flag") return value ? "yes" : "no";
    const size = Math.abs(value);
    const text = size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
    const units = { mm2: " mm²", px2: " px²", deg: "°", ratio: "" };
    return text.replace("-", "−") + (units[unit] ?? (unit ? " " + unit : ""));
  };

  // Where keys mean themselves: fields, and buttons for the space bar.
  C.typing = (event) =>
    event.ctrlKey || event.metaKey || event.altKey ||
    event.target.matches("input:not([type=checkbox]):not([type=range]), textarea, select");

  // Sheets hold the frames of the result, their marks, then both of the input; see
  // cardiovae/report/batch_pictures.py.
  C.player = (root, onShow = () => {}) => {
    const canvas = C.one(".screen", root);
    const blank = C.one(".blank", root);
    const bar = C.one(".player-bar", root);
    const [slider, output] = [C.one(".slider", bar), C.one(".now", bar)];
    const [playing, marking, flipping] = [".play", ".marks", ".flip"].map((s) => C.one(s, bar));
    let loop = { frames: 0 };
    let image = null;
    let [now, side, marks, timer] = [0, 0, true, 0];

    function draw() {
      const { columns, frames, sides } = loop;
      if (!image?.complete || !image.naturalWidth) return;
      const rows = Math.ceil(frames / columns);
      const width = image.naturalWidth / columns;
      const height = image.naturalHeight / (rows * 2 * sides);
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      const pen = canvas.getContext("2d");
      pen.imageSmoothingEnabled = false;
      pen.clearRect(0, 0, width, height);
      for (const layer of marks ? [0, 1] : [0]) {
        const row = (2 * side + layer) * rows + Math.floor(now / columns);
        pen.drawImage(image, (now % columns) * width, row * height, width, height, 0, 0, width, height);
      }
    }

    function show(frame) {
      if (!loop.frames) return;
      now = (frame + loop.frames) % loop.frames;
      slider.value = now;
      output.textContent = `frame ${now} / ${loop.frames - 1}`;
      const which = loop.sides > 1 ? (side ? ", before" : ", after") : "";
      canvas.setAttribute("aria-label", `Frame ${now} of ${loop.frames}${which}`);
      draw();
      onShow(now, side);
    }

    function play(on) {
      clearInterval(timer);
      timer = on && loop.frames > 1 ? setInterval(() => show(now + 1), 110) : 0;
      playing.textContent = timer ? "❚❚ Pause" : "▶ Play";
      playing.setAttribute("aria-pressed", String(Boolean(timer)));
    }

    function mark(on) {
      marks = on;
      marking.setAttribute("aria-pressed", String(on));
      draw();
    }

    function flip(to) {
      if (loop.sides < 2) return;
      side = to;
      flipping.setAttribute("aria-pressed", String(side === 1));
      show(now);
    }

    // What is to be shown: {src, frames, columns, sides, start, side}; no src = no picture.
    function load(next) {
      play(false);
      loop = next;
      side = next.side ?? 0;
      image = null;
      blank.textContent = next.words ?? "No picture was kept.";
      bar.hidden = !next.frames || next.frames < 1;
      for (const part of [marking, canvas]) part.hidden = !next.src;
      blank.hidden = Boolean(next.src);
      flipping.hidden = next.sides < 2;
      flipping.setAttribute("aria-pressed", String(side === 1));
      slider.max = Math.max(next.frames - 1, 0);
      if (next.src) {
        image = new Image();
        image.addEventListener("load", draw);
        image.addEventListener("error", () => {
          blank.textContent = "The picture is missing.";
          blank.hidden = false;
          canvas.hidden = marking.hidden = true;
        });
        image.src = next.src;
      }
      show(next.start);
    }

    function key(event) {
      const button = event.target.matches("button, summary, a, input");
      if (event.key === " " && !button) play(!timer);
      else if (event.key === "ArrowLeft" && event.target !== slider) show(now - 1);
      else if (event.key === "ArrowRight" && event.target !== slider) show(now + 1);
      else if (event.key === "b") flip(1 - side);
      else if (event.key === "m") mark(!marks);
      else return false;
      return true;
    }

    slider.addEventListener("input", () => show(Number(slider.value)));
    playing.addEventListener("click", () => play(!timer));
    marking.addEventListener("click", () => mark(!marks));
    flipping.addEventListener("click", () => flip(1 - side));
    return { load, show, key, flip };
  };
})();
