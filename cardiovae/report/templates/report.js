"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const player = one(".player");
  const [before, after] = all(".stage .pic");
  const cards = new Map(all(".card").map((card) => [Number(card.dataset.frame), card]));
  const n = Number(player.dataset.n);
  let now = Number(player.dataset.frame);
  let timer = 0;

  function copyPicture(from, to) {
    for (const img of all("img", to)) {
      img.src = one("img." + img.classList[0], from).src;
    }
    one("path", to).setAttribute("d", one("path", from).getAttribute("d"));
  }

  function show(frame) {
    now = (frame + n) % n;
    const card = cards.get(now);
    const [old, fresh] = all(".pic", card);
    copyPicture(old, before);
    copyPicture(fresh, after);
    one("#now").textContent = now;
    one("#facts").replaceChildren(one(".facts", card).cloneNode(true));
    if (n > 1) one("#slider").value = now;
    for (const part of all(".card, .first, .timeline span, .frames tr[data-frame]")) {
      part.classList.toggle("current", Number(part.dataset.frame) === now);
    }
    for (const chart of all(".chart")) {
      const x = Number(chart.dataset.x0) + now * Number(chart.dataset.step);
      const cursor = one(".cursor", chart);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.setAttribute("opacity", "0.55");
    }
  }

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => show(now + 1), 110) : 0;
    one("#play").textContent = on ? "❚❚ Pause" : "▶ Play";
    one("#play").setAttribute("aria-pressed", String(on));
    one("#facts").setAttribute("aria-live", on ? "off" : "polite");
  }

  function compare(on) {
    const shown = all(".pic", cards.get(now))[on ? 0 : 1];
    one(".map", after).src = one(".map", shown).src;
    one("figcaption", after.parentNode).textContent = on ? "Before" : "After";
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-frame]");
    if (!target || target === player) return;
    show(Number(target.dataset.frame));
    if (target.closest(".strip, .firsts, .frames")) player.scrollIntoView({ block: "nearest" });
  });
  for (const name of ["outlined", "shape-doubt", "image-doubt"]) {
    one("#" + name)?.addEventListener("change", (event) => {
      document.body.classList.toggle(name, event.target.checked);
    });
  }
  for (const radio of all("input[name=order]")) {
    radio.addEventListener("change", () => {
      one(".strip").classList.toggle("worst", radio.value === "worst");
    });
  }
  one("#copy").addEventListener("click", () => {
    getSelection().selectAllChildren(one("#command"));
    navigator.clipboard?.writeText(one("#command").textContent).then(() => {
      one("#copy").textContent = "Copied";
    });
  });

  if (n > 1) {
    one("#slider").addEventListener("input", (event) => show(Number(event.target.value)));
    one("#play").addEventListener("click", () => play(!timer));
    one("#back").addEventListener("click", () => show(now - 1));
    one("#next").addEventListener("click", () => show(now + 1));
    one("#flip").addEventListener("pointerdown", () => compare(true));
    document.addEventListener("pointerup", () => compare(false));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target.matches("input, button, summary");
      if (event.key === "ArrowLeft" && !event.target.matches("input")) show(now - 1);
      else if (event.key === "ArrowRight" && !event.target.matches("input")) show(now + 1);
      else if (event.key === " " && !typing) play(!timer);
      else if (event.key === "b" || event.key === "B") compare(true);
      else return;
      if (!typing) event.preventDefault();
    });
    document.addEventListener("keyup", (event) => {
      if (event.key === "b" || event.key === "B") compare(false);
    });
  }
  show(now);
})();
