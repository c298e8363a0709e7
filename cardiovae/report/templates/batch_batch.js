"use strict";
// The list of a batch: filters, sorting, the selected sequence, decisions.
(() => {
  const C = window.CARDIOVAE;
  const { all, el, one } = C;
  const PER_PAGE = 200;
  const NONE = "-";
  const rank = Object.keys(C.verdicts);

  const rows = C.rows.map((r, i) => {
    const [id, source, sha256, verdict, frames, implausible, failed, unmeasured, worst, view] = r;
    const [groups, letters, ranges, values, flags, text, change, elsewhere, at] = r.slice(10);
    const bad = [...letters].flatMap((letter, k) => (letter === "F" ? [k] : []));
    const row = { i, id, source, sha256, verdict, frames, implausible, failed, unmeasured, worst };
    const has = { thumb: flags & 1, cine: flags & 2, page: flags & 4 ? `pages/${id}.html` : elsewhere };
    const done = change && {
      status: change[0], reason: change[1], frames: change[2], share: change[3],
      shift: change[4], was: change[5], fixed: change[6], broken: change[7], worst: change[8],
    };
    return { ...row, view, groups, letters, ranges, values, has, text, done, bad, at, words: (source + "\n" + text).toLowerCase() };
  });
  C.rows = null; // the lists are not needed any more

  // Decisions: {id: [decision, note]}, kept by the browser where it allows that.
  const KEY = `cardiovae-decisions-${C.batch}`;
  let kept = true;
  let decisions = {};
  try {
    decisions = JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    kept = false;
  }
  const decisionOf = (row) => decisions[row.id]?.[0] ?? "";
  const noteOf = (row) => decisions[row.id]?.[1] ?? "";

  function decide(row, decision, note) {
    if (decision || note) decisions[row.id] = [decision, note];
    else delete decisions[row.id];
    try {
      localStorage.setItem(KEY, JSON.stringify(decisions));
    } catch {
      kept = false;
    }
    said();
  }

  function said() {
    const n = Object.values(decisions).filter(([decision]) => decision).length;
    const bare = Object.keys(decisions).length - n;
    const notes = bare ? `; ${bare === 1 ? "a note" : bare + " notes"} without a decision will not be saved` : "";
    const where = kept ? "kept in this browser" : "this browser keeps nothing: save before you leave";
    one("#saved").textContent = n ? `${n} decided, ${where}${notes}` : kept ? notes.slice(2) : where;
  }

  function csv() {
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = rows
      .filter(decisionOf)
      .map((row) => [row.source, row.sha256, decisionOf(row), noteOf(row)].map(quoted).join(","));
    return ["source,sha256,decision,note", ...lines, ""].join("\n");
  }

  function save() {
    const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    el("a", { href: url, download: "decisions.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // Columns: heading, what to sort by, what to show.
  const percent = (share) => (share == null ? "–" : `${(100 * share).toFixed(1)} %`);
  const badge = (row) =>
    el("span", { class: `verdict ${row.verdict}` }, el("i", { "aria-hidden": "true" }, C.glyphs[row.verdict]), C.verdicts[row.verdict]);
  const thumb = (row) =>
    row.has.thumb ? el("img", { src: `thumbs/${row.id}.webp`, alt: "", loading: "lazy" }) : null;
  const named = (row) => {
    const name = el("bdi", {}, row.source);
    return row.has.page ? el("a", { href: row.has.page }, name) : name;
  };
  function criteria(row) {
    if (row.verdict === "E") return row.text;
    const names = row.bad.map((k) => C.rules[k].label);
    if (!names.length && row.verdict === "N") return "not measurable";
    return names.slice(0, 2).join(", ") + (names.length > 2 ? ` and ${names.length - 2} more` : "");
  }
  const columns = [
    { name: "", cls: "thumb", show: thumb },
    { name: "sequence", cls: "who", by: (r) => r.source, show: named, head: true },
    { name: "verdict", by: (r) => rank.indexOf(r.verdict), show: badge },
    { name: "frames that fail", cls: "num", by: (r) => -r.implausible / (r.frames || 1), show: (r) => (r.frames ? `${r.implausible} / ${r.frames}` : "–") },
    { name: "criteria that fail", cls: "what", by: (r) => -r.bad.length, show: criteria },
    { name: "worst frame", cls: "num wide", by: (r) => r.worst, show: (r) => (r.worst < 0 ? "–" : r.worst) },
    ...(rows.some((r) => r.view) ? [{ name: "view", cls: "wide", by: (r) => r.view, show: (r) => r.view || "–" }] : []),
    ...C.groups.map((name, k) => ({ name, cls: "wide", by: (r) => r.groups[k], show: (r) => r.groups[k] || "–" })),
    ...(rows.some((r) => r.done) ? [
      { name: "correction", cls: "wide", by: (r) => r.done?.status ?? "", show: (r) => r.done?.status.replaceAll("_", " ") ?? "–" },
      { name: "frames before", cls: "num wide", by: (r) => -(r.done?.was ?? -1), show: (r) => r.done?.was ?? "–" },
      { name: "changed", cls: "num wide", by: (r) => -(r.done?.share ?? -1), show: (r) => percent(r.done?.share) },
      { name: "EF shift", cls: "num wide", by: (r) => -Math.abs(r.done?.shift ?? 0), show: (r) => (r.done?.shift == null ? "–" : C.number(r.done.shift)) },
      { name: "newly broken", cls: "num wide", by: (r) => -(r.done?.broken ?? 0), show: (r) => r.done?.broken ?? "–" },
    ] : []),
    { name: "value", cls: "num", only: true, by: (r) => -excess(r), show: (r) => C.number(r.values[filter.rule], C.rules[filter.rule].unit) },
    { name: "decision", cls: "decision", by: (r) => decisionOf(r), show: (r) => decisionOf(r) + (noteOf(r) ? " ✎" : "") },
  ];
  // How far beyond the limits; what could not be measured comes after all values.
  function excess(row) {
    const { low, high } = C.rules[filter.rule];
    const value = row.values[filter.rule];
    return value == null ? -Infinity : Math.max(value - (high ?? Infinity), (low ?? -Infinity) - value);
  }

  const filter = { text: "", verdict: "", rule: "", decision: "", view: "", groups: {}, range: null };
  let order = null; // {column, down}; null = worst first
  let found = rows;
  let page = 0;
  let current = null;

  function keeps(row) {
    const { text, verdict, rule, decision, view, groups, range } = filter;
    return (
      (!text || row.words.includes(text)) &&
      (!verdict || row.verdict === verdict) &&
      (rule === "" || row.letters[rule] === "F" || row.letters[rule] === "N") &&
      (!decision || (decisionOf(row) || "none") === decision) &&
      (!view || row.view === view) &&
      Object.entries(groups).every(([k, value]) => !value || row.groups[k] === value) &&
      (!range || row.ranges[range.rule] === range.digit)
    );
  }

  function refresh() {
    found = rows.filter(keeps);
    if (order) {
      const keys = new Map(found.map((row) => [row, order.column.by(row)]));
      const sign = order.down ? -1 : 1;
      found.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        return (x < y ? -sign : x > y ? sign : 0) || a.i - b.i;
      });
    }
    page = 0;
    render();
    portions();
  }

  const shownColumns = () => columns.filter((column) => !column.only || filter.rule !== "");

  function heading(column) {
    const sorted = order?.column === column && (order.down ? "descending" : "ascending");
    const press = () => {
      order = order?.column !== column ? { column, down: false } : order.down ? null : { column, down: true };
      refresh();
      all(".cases th button").find((button) => button.textContent === column.name)?.focus();
    };
    const inside = column.by ? el("button", { type: "button", on: { click: press } }, column.name) : el("span", { class: "hidden" }, "picture");
    return el("th", { scope: "col", class: column.cls, "aria-sort": sorted }, inside);
  }

  function line(row) {
    const cells = shownColumns().map((column) =>
      el(column.head ? "th" : "td", { class: column.cls, scope: column.head ? "row" : null }, column.show(row)));
    const node = el("tr", { "data-id": row.id, tabindex: "-1", class: row === current ? "current" : null }, ...cells);
    node.addEventListener("click", (event) => event.target.closest("a") || select(row));
    node.addEventListener("mouseenter", () => point(row));
    node.addEventListener("mouseleave", () => point(current));
    return node;
  }

  function render() {
    const pages = Math.max(Math.ceil(found.length / PER_PAGE), 1);
    page = Math.min(Math.max(page, 0), pages - 1);
    const shown = found.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    one(".cases thead").replaceChildren(el("tr", {}, ...shownColumns().map(heading)));
    one(".cases tbody").replaceChildren(...shown.map(line));
    const few = found.length < rows.length ? ` of ${rows.length.toLocaleString("en")}` : "";
    one("#count").textContent = `${found.length.toLocaleString("en")}${few} sequences`;
    const [first, last] = [page * PER_PAGE + 1, page * PER_PAGE + shown.length];
    one("#where").textContent = found.length ? `${first}–${last} of ${found.length.toLocaleString("en")}` : "nothing matches";
    one("#previous").disabled = page === 0;
    one("#next").disabled = page === pages - 1;
    const first_row = one(`.cases tr.current`) ?? one(".cases tbody tr");
    first_row?.setAttribute("tabindex", "0");
  }

  function turn(step) {
    page += step;
    render();
    one("#list").scrollIntoView();
  }

  // The selected sequence.
  const player = C.player(one(".panel"));

  function select(row, focus = false) {
    current = row;
    const place = found.indexOf(row);
    if (place >= 0 && Math.floor(place / PER_PAGE) !== page) {
      page = Math.floor(place / PER_PAGE);
      render();
    }
    for (const node of all(".cases tbody tr")) {
      const mine = node.dataset.id === row.id;
      node.classList.toggle("current", mine);
      node.setAttribute("tabindex", mine ? "0" : "-1");
      if (mine && focus) {
        node.focus({ preventScroll: true });
        node.scrollIntoView({ block: "nearest", behavior: "instant" });
      }
    }
    point(row);
    describe(row);
  }

  function describe(row) {
    one("#panel").hidden = false;
    one("#name").replaceChildren(named(row));
    const facts = row.frames ? `in ${row.implausible} of ${row.frames} frames` : row.text;
    const done = row.done ? `; ${row.done.status.replaceAll("_", " ")}${row.done.reason ? ": " + row.done.reason : ""}` : "";
    one("#state").replaceChildren(badge(row), ` ${row.verdict === "P" ? "" : facts}${done}${row.frames && row.text ? "; " + row.text : ""}`);
    for (const button of all("[data-decision]")) {
      button.setAttribute("aria-pressed", String(button.dataset.decision === decisionOf(row)));
    }
    one("#note").value = noteOf(row);
    const lines = row.bad.map((k, i) => {
      const rule = C.rules[k];
      const see = { type: "button", class: "see", "aria-label": `Show frame ${row.at[i]}`, on: { click: () => player.show(row.at[i]) } };
      const where = row.at[i] < 0 ? "–" : row.has.cine ? el("button", see, row.at[i]) : row.at[i];
      return el("tr", {}, el("th", { scope: "row" }, rule.label), el("td", { class: "num bad" }, C.number(row.values[k], rule.unit)), el("td", {}, rule.limits), el("td", { class: "num" }, where));
    });
    const heads = ["fails", "worst value", "allowed", "frame"].map((name, k) => el("th", { scope: "col", class: k % 2 ? "num" : null }, name));
    one("#broken").replaceChildren(...(lines.length ? [el("tr", {}, ...heads)] : []), ...lines);
    const charts = row.bad.map((k) => one(`.plot[data-rule="${k}"]`)).filter(Boolean).slice(0, 3);
    one("#minis").replaceChildren(...charts.map((plot) =>
      el("div", { class: "mini" }, el("p", { class: "caption" }, C.rules[plot.dataset.rule].label + " in the batch"), one("svg", plot).cloneNode(true))));
    player.load({
      src: row.has.cine ? `cines/${row.id}.png` : "",
      frames: row.has.cine ? row.frames : 0,
      columns: Math.ceil(Math.sqrt(row.frames)),
      sides: row.done ? 2 : 1,
      side: row.done && row.verdict === "P" ? 1 : 0,
      start: Math.max(row.worst < 0 && row.done ? row.done.worst : row.worst, 0),
      words: row.verdict === "P" ? "It passes: no picture was kept." : "No picture was kept.",
    });
  }

  function move(step) {
    if (!found.length) return;
    const place = found.indexOf(current);
    const next = place < 0 ? page * PER_PAGE : Math.min(Math.max(place + step, 0), found.length - 1);
    select(found[next], true);
  }

  function judge(decision) {
    if (!current) return;
    const row = current;
    decide(row, decisionOf(row) === decision ? "" : decision, noteOf(row));
    redraw(row);
    if (decisionOf(row) && one("#advance").checked) move(1);
  }

  function redraw(row) {
    const node = one(`.cases tr[data-id="${row.id}"] .decision`);
    if (node) node.textContent = columns.at(-1).show(row);
    if (row === current) describe(row);
  }

  // Plots: where a row stands, and which part of the batch is listed.
  const plots = all(".plot");

  function point(row) {
    for (const plot of plots) {
      const digit = row?.ranges[plot.dataset.rule] ?? NONE;
      const chart = one(".chart", plot);
      const cursor = one(".cursor", plot);
      cursor.setAttribute("opacity", digit && digit !== NONE ? "1" : "0");
      if (!digit || digit === NONE) continue;
      const x = Number(chart.dataset.x0) + parseInt(digit, 36) * Number(chart.dataset.step);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
  }

  function portions() {
    one("#values").classList.toggle("filtered", found.length < rows.length);
    const counts = new Uint32Array(128 * C.rules.length); // by rule and character
    for (const { ranges } of found) {
      for (let k = 0; k < ranges.length; k++) counts[128 * k + ranges.charCodeAt(k)]++;
    }
    for (const plot of plots) {
      const whole = new Map(all(".all", plot).map((bar) => [bar.dataset.bin, bar]));
      for (const part of all(".part", plot)) {
        const bar = whole.get(part.dataset.bin);
        const [height, y] = ["height", "y"].map((name) => Number(bar.getAttribute(name)));
        const n = counts[128 * plot.dataset.rule + digitOf(part).charCodeAt(0)];
        const share = Math.min(Math.log1p(n) / Math.log1p(bar.dataset.n), 1);
        part.setAttribute("height", height * share);
        part.setAttribute("y", y + height * (1 - share));
      }
      for (const bin of all(".bin", plot)) bin.classList.toggle("chosen", chosen(plot, bin));
    }
  }

  const digitOf = (bin) => Number(bin.dataset.bin).toString(36);
  const chosen = (plot, bin) => filter.range?.rule === Number(plot.dataset.rule) && filter.range.digit === digitOf(bin);

  function say(plot, bin) {
    const rule = C.rules[plot.dataset.rule];
    const n = one(`.all[data-bin="${bin.dataset.bin}"]`, plot).dataset.n;
    one(".said", plot).textContent = `${rule.ranges[bin.dataset.bin]}: ${Number(n).toLocaleString("en")} sequences`;
  }

  function narrow(plot, bin) {
    filter.range = chosen(plot, bin) ? null : { rule: Number(plot.dataset.rule), digit: digitOf(bin) };
    const chip = one("#range");
    chip.hidden = !filter.range;
    if (filter.range) {
      const rule = C.rules[filter.range.rule];
      chip.textContent = `${rule.label}: ${rule.ranges[parseInt(filter.range.digit, 36)]} ✕`;
    }
    refresh();
  }

  for (const plot of plots) {
    const bins = all(".bin", plot);
    let at = -1;
    for (const bin of bins) {
      bin.addEventListener("mouseenter", () => say(plot, bin));
      bin.addEventListener("click", () => narrow(plot, bin));
    }
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) at = Math.min(Math.max(at + step, 0), bins.length - 1);
      else if ((event.key === "Enter" || event.key === " ") && at >= 0) narrow(plot, bins[at]);
      else return;
      bins.forEach((bin, k) => bin.classList.toggle("at", k === at));
      say(plot, bins[at]);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  // Controls.
  for (const select of all("select.group")) {
    const k = select.dataset.key;
    if (k !== "view") {
      const values = [...new Set(rows.map((row) => row.groups[k]).filter(Boolean))].sort();
      select.append(el("option", { value: "" }, "all"), ...values.map((value) => el("option", { value }, value)));
    }
    select.addEventListener("change", () => {
      if (k === "view") filter.view = select.value;
      else filter.groups[k] = select.value;
      refresh();
    });
  }
  let waiting = 0;
  one("#search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      filter.text = event.target.value.trim().toLowerCase();
      refresh();
    }, 120);
  });
  const byId = { verdict: "verdict", rule: "rule", decided: "decision" };
  for (const [id, name] of Object.entries(byId)) {
    one("#" + id).addEventListener("change", (event) => choose(name, event.target.value));
  }

  function choose(name, value) {
    filter[name] = name === "rule" && value !== "" ? Number(value) : value;
    order = name === "rule" && value !== "" ? { column: columns.find((c) => c.only), down: false } : order?.column.only ? null : order;
    refresh();
  }

  function clear() {
    Object.assign(filter, { text: "", verdict: "", rule: "", decision: "", view: "", groups: {}, range: null });
    for (const field of all(".filters input, .filters select")) field.value = "";
    one("#range").hidden = true;
    order = order?.column.only ? null : order;
    refresh();
  }

  one("#clear").addEventListener("click", clear);
  one("#range").addEventListener("click", () => {
    filter.range = null;
    one("#range").hidden = true;
    refresh();
  });
  for (const button of all("button.show")) {
    button.addEventListener("click", () => {
      one("#rule").value = button.dataset.rule;
      choose("rule", button.dataset.rule);
      one("#list").scrollIntoView();
    });
  }
  one("#previous").addEventListener("click", () => turn(-1));
  one("#next").addEventListener("click", () => turn(1));
  one("#export").addEventListener("click", save);
  one("#note").addEventListener("input", (event) => {
    decide(current, decisionOf(current), event.target.value);
    const node = one(`.cases tr[data-id="${current.id}"] .decision`);
    if (node) node.textContent = columns.at(-1).show(current);
  });
  one("#note").addEventListener("keydown", (event) => {
    if (event.key === "Escape") one(".cases tr.current")?.focus();
  });
  for (const button of all("[data-decision]")) {
    button.addEventListener("click", () => judge(button.dataset.decision));
  }
  one("#copy").addEventListener("click", () => {
    getSelection().selectAllChildren(one("#command"));
    navigator.clipboard?.writeText(one("#command").textContent).then(() => {
      one("#copy").textContent = "Copied";
    }, () => {});
  });

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    p: () => judge("pass"),
    f: () => judge("fail"),
    x: () => judge("fix"),
    n: () => current && one("#note").focus(),
    e: save,
    "/": () => one("#search").focus(),
    "[": () => turn(-1),
    "]": () => turn(1),
    "?": () => one("#help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (C.typing(event) || one("#help").open) return;
    const inList = event.target.closest(".cases, .panel");
    if (keys[event.key]) keys[event.key]();
    else if (inList && event.key === "ArrowDown") move(1);
    else if (inList && event.key === "ArrowUp") move(-1);
    else if (event.target.matches(".cases tr") && event.key === "Enter") one("a", event.target)?.click();
    else if (!(inList && current && player.key(event))) return;
    event.preventDefault();
  });

  said();
  refresh();
  const asked = rows.find((row) => "#" + row.id === location.hash);
  if (asked) select(asked, true);
  else if (rows.length) select(rows[0]);
})();
