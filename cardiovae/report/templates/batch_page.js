"use strict";
// The page of one sequence: player, values of the frame, criteria by frame, links to neighbors.
(() => {
  const C = window.CARDIOVAE;
  const { all, el, one } = C;
  const data = JSON.parse(one("#data").textContent);
  const rank = { F: 0, N: 1, P: 2 };
  const position = (criterion, t) => (criterion.whole ? 0 : t);
  let drawn = -1;

  function values(now, side) {
    const lines = data.sides[side].map((criterion) => {
      const at = position(criterion, now);
      return { criterion, verdict: criterion.verdicts[at], value: criterion.values[at], reason: criterion.reasons[at] };
    }).filter((line) => line.verdict in rank); // a slice is not asked about what it lacks
    lines.sort((a, b) => rank[a.verdict] - rank[b.verdict]);
    one("#values").replaceChildren(...lines.map(({ criterion, verdict, value, reason }) => {
      const badge = el("span", { class: `verdict ${verdict}` }, el("i", { role: "img", "aria-label": verdict === "F" ? "fails" : verdict === "N" ? "not measurable" : "passes" }, C.glyphs[verdict]));
      const name = el("th", { scope: "row" }, criterion.label + (criterion.whole ? " (whole sequence)" : ""));
      if (verdict === "N" && reason) name.append(el("small", { class: "unknown" }, reason));
      return el("tr", { class: verdict }, el("td", {}, badge), name, el("td", { class: "num" + (verdict === "F" ? " bad" : "") }, C.number(value, criterion.unit)), el("td", {}, criterion.limits));
    }));
  }

  function matrix(side) {
    drawn = side;
    const open = data.sides[side].filter((criterion) => /[FN]/.test(criterion.verdicts));
    const clean = data.sides[side].filter((criterion) => !open.includes(criterion));
    const frames = [...Array(data.frames).keys()];
    const head = el("tr", {}, el("td"), ...frames.map((t) => el("th", { scope: "col", "data-frame": t }, t % 5 ? "" : t)));
    const lines = open.map((criterion) => {
      const title = el("th", { scope: "row" }, criterion.label);
      if (criterion.whole) {
        const words = `not judged by frame: ${criterion.reasons[0] ?? C.number(criterion.values[0], criterion.unit)}`;
        return el("tr", {}, title, el("td", { class: criterion.verdicts, colspan: data.frames, style: "width:auto;padding:0 8px;text-align:left" }, words));
      }
      const cells = frames.map((t) => {
        const verdict = criterion.verdicts[t];
        const value = C.number(criterion.values[t], criterion.unit);
        const words = verdict === "-" ? `frame ${t}: does not apply` : `frame ${t}: ${value}${criterion.reasons[t] ? ", " + criterion.reasons[t] : ""}`;
        return el("td", { class: verdict, "data-frame": t, title: words, "aria-label": words }, verdict === "P" ? "·" : C.glyphs[verdict] ?? "");
      });
      return el("tr", {}, title, ...cells);
    });
    one(".matrix thead").replaceChildren(head);
    one(".matrix tbody").replaceChildren(...lines);
    one("#clean").textContent = clean.length ? `Passed in every frame: ${clean.map((c) => c.label).join(", ")}.` : "";
    const words = one("#side");
    if (words) words.textContent = side ? "before correction" : "after correction";
  }

  function onShow(now, side) {
    one("#which").textContent = `Frame ${now}` + (data.sides.length > 1 ? (side ? ", before" : ", after") : "");
    values(now, side);
    if (drawn !== side) matrix(side);
    for (const cell of all(".matrix .now")) cell.classList.remove("now");
    for (const cell of all(`.matrix [data-frame="${now}"]`)) cell.classList.add("now");
    for (const chart of all(".chart")) {
      const x = Number(chart.dataset.x0) + now * Number(chart.dataset.step);
      const cursor = one(".cursor", chart);
      for (const name of ["x1", "x2"]) cursor.setAttribute(name, x);
      cursor.setAttribute("opacity", "0.55");
    }
  }

  const player = C.player(one(".player"), onShow);
  const asked = /^#\d+$/.test(location.hash) ? Number(location.hash.slice(1)) : data.worst;
  const mended = data.sides.length > 1 && !data.sides[0].some((criterion) => /[FN]/.test(criterion.verdicts));
  player.load({ src: data.cine, frames: data.frames, columns: data.columns, sides: data.sides.length, start: Math.min(asked, data.frames - 1), side: mended ? 1 : 0 });
  window.addEventListener("hashchange", () => {
    if (/^#\d+$/.test(location.hash)) player.show(Number(location.hash.slice(1)) % data.frames);
  });

  for (const chart of all(".chart")) {
    chart.addEventListener("click", (event) => {
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      const frame = Math.round((x - Number(chart.dataset.x0)) / Number(chart.dataset.step));
      if (frame >= 0 && frame < data.frames) player.show(frame);
    });
  }
  document.addEventListener("click", (event) => {
    const cell = event.target.closest(".matrix [data-frame]");
    if (cell) player.show(Number(cell.dataset.frame));
  });

  // Neighbors, worst first.
  const place = C.order.indexOf(data.id);
  const link = (node, id) => {
    node.hidden = !id;
    if (id) node.href = `${id}.html`;
  };
  link(one("#back"), C.order[place - 1]);
  link(one("#onward"), C.order[place + 1]);
  one("#where").textContent = `${place + 1} of ${C.order.length}, worst first`;

  document.addEventListener("keydown", (event) => {
    if (C.typing(event)) return;
    if (event.key === "j" && !one("#onward").hidden) one("#onward").click();
    else if (event.key === "k" && !one("#back").hidden) one("#back").click();
    else if (!player.key(event)) return;
    event.preventDefault();
  });
})();
