// The map: points of the training codes and of the given masks, colored by what is known of them.
{
  const canvas = one("#points");
  const [method, color] = [one("#method"), one("#color")];
  const groups = ["training", "masks"].filter((name) => DATA.populations[name]);
  const rows = groups.flatMap((group) => DATA.populations[group].names.map((name, i) => ({ group, i, name })));
  const value = (row, key) => {
    const people = DATA.populations[row.group];
    return (people.attributes[key] ?? people[key])[row.i];
  };
  method.append(...DATA.maps.map((map, i) => el("option", { value: String(i) }, map.title)));
  color.append(...DATA.colorings.map((c, i) => el("option", { value: String(i) }, c.title)));
  let [places, current] = [[], -1];

  const mix = (share) => {
    const scale = DATA.colors.scale;
    const place = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
    const first = Math.min(Math.floor(place), scale.length - 2);
    const [a, b] = [scale[first], scale[first + 1]].map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
    return `rgb(${a.map((v, k) => Math.round(v + (place - first) * (b[k] - v))).join(" ")})`;
  };

  function draw() {
    const map = DATA.maps[Number(method.value)];
    const coloring = DATA.colorings[Number(color.value)];
    const points = rows.map((row) => map[row.group][row.i]);
    const [xs, ys] = [0, 1].map((k) => points.map((p) => p[k]));
    const box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [width, height] = [1160, 870];
    if (canvas.width !== width) Object.assign(canvas, { width, height });
    // One scale for both directions: distances on the map mean the same everywhere.
    const scale = Math.min((width - 70) / (box[1] - box[0] || 1), (height - 70) / (box[3] - box[2] || 1));
    places = points.map(([x, y]) => [width / 2 + (x - (box[0] + box[1]) / 2) * scale, height / 2 - (y - (box[2] + box[3]) / 2) * scale]);
    const values = rows.map((row) => value(row, coloring.key));
    const known = values.filter((v) => typeof v === "number");
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const paint = (v) => {
      if (v == null) return DATA.colors.unknown;
      return typeof v === "string" ? DATA.colors.views[v] : mix(high > low ? (v - low) / (high - low) : 0.5);
    };
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    const order = rows.map((_, i) => i).sort((a, b) => (rows[a].group === "masks") - (rows[b].group === "masks") || (values[a] != null) - (values[b] != null));
    for (const i of order) {
      const [mask, here] = [rows[i].group === "masks", i === current];
      const radius = (mask ? 9 : 5) + (here ? 4 : 0);
      pen.beginPath();
      if (values[i] === "A4C") pen.rect(places[i][0] - radius, places[i][1] - radius, 2 * radius, 2 * radius);
      else pen.arc(...places[i], radius, 0, 7);
      pen.fillStyle = paint(values[i]);
      pen.globalAlpha = values[i] == null && !mask ? 0.5 : 1;
      pen.fill();
      pen.globalAlpha = 1;
      if (mask || here) {
        pen.lineWidth = here ? 4 : 2.5;
        pen.strokeStyle = DATA.colors.ink;
        pen.stroke();
      }
    }
    key(coloring, low, high, values);
    canvas.setAttribute("aria-label", `Map of ${rows.length} codes (${map.title}) colored by ${coloring.title}; arrow keys go from point to point`);
  }

  function key(coloring, low, high, values) {
    const parts = [];
    if (coloring.key === "views") {
      for (const [name, fill] of Object.entries(DATA.colors.views)) parts.push(el("i", { class: name === "A4C" ? "dot square" : "dot", style: `background:${fill}` }), name);
    } else {
      parts.push(measured(low, coloring.unit), el("i", { style: `background:linear-gradient(90deg, ${DATA.colors.scale.join(", ")})` }), measured(high, coloring.unit));
    }
    if (values.some((v) => v == null)) parts.push(el("i", { class: "dot", style: `background:${DATA.colors.unknown}` }), "not known");
    one("#ramp").replaceChildren(...parts);
  }

  function point(i) {
    if (i === current) return;
    current = i;
    draw();
    if (i < 0) return;
    one("#point-name").textContent = rows[i].name;
    const facts = [...DATA.colorings.map((c) => [c.title, value(rows[i], c.key), c.unit]), ["Audit", value(rows[i], "valid") ? "passes" : "does not pass", ""]];
    one("#point-facts").replaceChildren(...facts.flatMap(([title, v, unit]) =>
      [el("dt", {}, title), el("dd", {}, v == null ? "not known" : typeof v === "string" ? v : measured(v, unit))]));
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.x) * (canvas.width / box.width), (event.clientY - box.y) * (canvas.height / box.height)];
    let [best, found] = [400, -1];
    places.forEach(([px, py], i) => {
      const apart = (px - x) ** 2 + (py - y) ** 2;
      if (apart < best) [best, found] = [apart, i];
    });
    if (found >= 0) point(found);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    // From left to right on the map.
    const order = rows.map((_, i) => i).sort((a, b) => places[a][0] - places[b][0]);
    point(order[(order.indexOf(current) + step + order.length) % order.length]);
  });
  for (const choice of [method, color]) choice.addEventListener("change", draw);
  draw();
}
