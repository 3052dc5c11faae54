"use strict";

(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  /* Where there is no room for a picture, it shows its middle first. */
  const look = () => all("[data-look]").forEach((one) => {
    if (one.scrollWidth <= one.clientWidth) return;
    one.scrollLeft = one.dataset.look - one.clientWidth / 2;
    delete one.dataset.look;
  });

  /* A row of buttons of which one is pressed. */
  const choice = (label, options, choose) => {
    const row = document.createElement("div");
    row.className = "switch";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", label);
    const name = document.createElement("span");
    name.textContent = label;
    row.append(name);
    const buttons = options.map(([text, value]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => press(button, value));
      row.append(button);
      return button;
    });
    const press = (pressed, value) => {
      buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === pressed)));
      choose(value);
      look();
    };
    press(buttons[0], options[0][1]);
    return row;
  };

  const bar = document.getElementById("bar");
  const formats = [...new Set(all("[data-format]").map((one) => one.dataset.format))];
  /* What is read: of the last section that begins above, the last part of it that does. */
  const parts = (section) => all(":scope > h2, figure, details, .scroll > table", section)
    .filter((one) => one.checkVisibility());
  const reading = () => {
    const above = (one) => one.getBoundingClientRect().top <= bar.getBoundingClientRect().bottom + 1;
    const section = all("main > section").filter(above).at(-1);
    const last = section && parts(section).findLastIndex(above);
    return section && { section, last, top: parts(section)[last].getBoundingClientRect().top };
  };
  if (formats.length > 1) {
    const show = (format) => {
      const before = reading();
      all("[data-format]").forEach((one) => { one.hidden = one.dataset.format !== format; });
      if (!before) return;
      const now = parts(before.section);
      const part = now[Math.min(before.last, now.length - 1)];
      scrollBy(0, part.getBoundingClientRect().top - before.top);
    };
    bar.append(choice("Number format", formats.map((f) => [f, f]), show));
    bar.hidden = false;
  }
  const root = document.documentElement;
  /* Headings that are jumped to stand below the bar, however many lines it has. */
  new ResizeObserver(() => root.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);
  const themes = [["as the system", ""], ["light", "light"], ["dark", "dark"]];
  document.querySelector("header").append(choice("Colours", themes, (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  }));

  all(".views").forEach((views) => {
    const each = all(":scope > figure", views);
    if (each.length < 2) return;
    const show = (view) => each.forEach((one) => { one.hidden = one !== view; });
    views.prepend(choice("Show", each.map((one) => [one.dataset.view, one]), show));
  });

  all("figure[data-series]").forEach((figure) => {
    const names = JSON.parse(figure.dataset.series);
    const series = all("[data-codec]", figure);
    const show = (only) => {
      figure.classList.toggle("only", only !== null);
      series.forEach((one) => {
        one.toggleAttribute("hidden", only !== null && one.dataset.codec !== only);
      });
    };
    figure.prepend(choice("Codec", [["all", null], ...names.map((name) => [name, name])], show));
  });

  /* What is chosen in one format holds in the others. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("section .switch button");
    if (!button || !event.isTrusted) return;
    const beginning = (one) => one.textContent.split(",")[0];
    all(".switch", button.closest("section")).forEach((row) => {
      if (row.contains(button)) return;
      const buttons = all("button", row);
      const alike = buttons.find((one) => one.textContent === button.textContent)
        ?? buttons.find((one) => beginning(one) === beginning(button));
      if (alike) alike.click();
    });
  });

  all("table.sortable").forEach((table) => {
    const body = table.tBodies[0];
    const heads = all("thead th", table);
    const number = (text) => parseFloat(text.replaceAll(",", ""));
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numeric = !head.classList.contains("left");
        /* Of numbers one looks for the greatest first, of names for the first. */
        const [first, second] = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
        const sorts = head.getAttribute("aria-sort") === first ? second : first;
        const descends = sorts === "descending";
        const cell = (row) => row.cells[column].textContent;
        const compare = (a, b) => numeric
          ? number(cell(a)) - number(cell(b))
          : cell(a).localeCompare(cell(b), "en", { numeric: true });
        const missing = (row) => numeric && Number.isNaN(number(cell(row)));
        const rows = [...body.rows].sort((a, b) =>
          missing(a) - missing(b) || (missing(a) ? 0 : compare(a, b) * (descends ? -1 : 1)));
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sorts);
        body.append(...rows);
      });
    });
  });

  /* Tips at once, and also where there is no mouse. Without a script, <title> does it. */
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);
  const texts = new WeakMap();
  all("svg title").forEach((title) => {
    texts.set(title.parentNode, title.textContent);
    title.remove();
  });
  const owner = (node) => {
    while (node && node.nodeType === 1 && !texts.has(node)) node = node.parentNode;
    return node && texts.has(node) ? node : null;
  };
  const point = (event) => {
    const found = owner(event.target);
    tip.hidden = !found;
    if (!found) return;
    tip.textContent = texts.get(found);
    const { offsetWidth: width, offsetHeight: height } = tip;
    const right = event.clientX + 14 + width < innerWidth;
    tip.style.left = `${Math.max(4, right ? event.clientX + 14 : event.clientX - 14 - width)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
  };
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("scroll", () => { tip.hidden = true; }, true);
  look();
})();
