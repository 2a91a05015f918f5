// A click on a heading sorts its table; a second click turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => (down ? -1 : 1) * compare(a.cells[column], b.cells[column]));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(a, b) {
  const [x, y] = [a, b].map((cell) => Number(cell.dataset.value ?? NaN));
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return a.textContent.localeCompare(b.textContent, "en", { numeric: true });
  }
  return x - y;
}

// A click on an entry of a legend hides its lines and bands in all panels of the figure.
for (const entry of document.querySelectorAll(".legend li[data-line]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", "true");
  button.append(...entry.childNodes);
  entry.append(button);
  button.addEventListener("click", () => {
    const hidden = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!hidden));
    for (const part of entry.closest("figure").querySelectorAll("svg [data-line]")) {
      if (part.dataset.line === entry.dataset.line) part.classList.toggle("hidden", hidden);
    }
  });
}

// The point of a line that is nearest to the mouse shows its values, read off the picture by the axes' scales.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function value([low, high, from, to, kind], place) {
  const share = (place - from) / (to - from);
  const found = kind === "log" ? low * (high / low) ** share : low + share * (high - low);
  return String(Number(found.toPrecision(4)));
}

for (const plot of document.querySelectorAll("svg[data-axis]")) {
  const axis = JSON.parse(plot.dataset.axis);
  const known = ["linear", "log"];
  if (!known.includes(axis.x[4]) || !known.includes(axis.y[4])) continue;
  const lines = [...plot.querySelectorAll("g[data-line] > path[fill=none]")].map((path) => {
    const numbers = path.getAttribute("d").match(/-?\d+(\.\d+)?/g).map(Number);
    return { path, numbers };
  });
  if (!lines.length) continue;
  plot.addEventListener("pointerleave", () => (tip.hidden = true));
  plot.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    let best = { far: 20 };
    for (const { path, numbers } of lines) {
      if (path.parentNode.classList.contains("hidden")) continue;
      for (let i = 0; i + 1 < numbers.length; i += 2) {
        const far = Math.hypot(numbers[i] - place.x, numbers[i + 1] - place.y);
        if (far < best.far) best = { far, x: numbers[i], y: numbers[i + 1], line: path.parentNode.dataset.line };
      }
    }
    tip.hidden = best.line === undefined;
    if (tip.hidden) return;
    const entries = plot.closest("figure").querySelectorAll(".legend li[data-line]");
    const label = [...entries].find((entry) => entry.dataset.line === best.line)?.textContent.trim() ?? "";
    tip.textContent = `${label ? `${label}: ` : ""}${value(axis.x, best.x)}, ${value(axis.y, best.y)}`;
    tip.style.left = `${event.pageX + 12}px`;
    tip.style.top = `${event.pageY + 12}px`;
  });
}
