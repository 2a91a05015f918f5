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
      rows.sort((a, b) => compare(a.cells[column], b.cells[column], down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(a, b, direction) {
  const [x, y] = [a, b].map((cell) => Number(cell.dataset.value ?? NaN));
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return direction * a.textContent.localeCompare(b.textContent, "en", { numeric: true });
  }
  return direction * (x - y);
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

function number([low, high, from, to, kind], place) {
  const share = (place - from) / (to - from);
  return kind === "log" ? low * (high / low) ** share : low + share * (high - low);
}

function place([low, high, from, to, kind], found) {
  const share = kind === "log" ? Math.log(found / low) / Math.log(high / low) : (found - low) / (high - low);
  return from + share * (to - from);
}

const value = (axis, at) => String(Number(number(axis, at).toPrecision(4)));

const NUMBERS = /-?\d+(\.\d+)?/g;
// Bands are filled; only lines have points to read off.
const linesOf = (plot) => [...plot.querySelectorAll("g[data-line] > path[fill=none]")];

function isReadable(plot) {
  const { x, y } = JSON.parse(plot.dataset.axis);
  return [x, y].every((axis) => ["linear", "log"].includes(axis[4])) && linesOf(plot).length > 0;
}

for (const plot of document.querySelectorAll("svg[data-axis]")) {
  if (!isReadable(plot)) continue;
  plot.addEventListener("pointerleave", () => (tip.hidden = true));
  plot.addEventListener("pointermove", (event) => {
    const axis = JSON.parse(plot.dataset.axis);
    const mouse = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    // A point that is farther away than 20 units of the picture (72 per inch) is not meant.
    let best = { far: 20 };
    for (const path of linesOf(plot)) {
      if (path.parentNode.classList.contains("hidden")) continue;
      const numbers = path.getAttribute("d").match(NUMBERS).map(Number);
      for (let i = 0; i + 1 < numbers.length; i += 2) {
        const far = Math.hypot(numbers[i] - mouse.x, numbers[i + 1] - mouse.y);
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

// A button draws the heights of a figure by their logarithm, or evenly again, where every line is above 0.
for (const figure of document.querySelectorAll("figure")) {
  const plots = [...figure.querySelectorAll("svg[data-axis]")].filter((plot) => isReadable(plot) && heights(plot)[0] > 0);
  if (!plots.length) continue;
  const kinds = plots.map((plot) => JSON.parse(plot.dataset.axis).y[4]);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "scale";
  button.textContent = kinds[0] === "log" ? "Linear scale" : "Log scale";
  button.setAttribute("aria-pressed", "false");
  figure.querySelector(".panels").after(button);
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    plots.forEach((plot) => (pressed ? rescale(plot, kinds[0] === "log" ? "linear" : "log") : restore(plot)));
  });
}

// The least and the greatest height of a panel's lines.
function heights(plot) {
  const { y } = JSON.parse(plot.dataset.axis);
  const found = linesOf(plot).flatMap((path) => path.getAttribute("d").match(NUMBERS).filter((_, i) => i % 2));
  const numbers = found.map((text) => number(y, Number(text)));
  return [Math.min(...numbers), Math.max(...numbers)];
}

// A band's outline is kept by the SVG relative to the lower edge of the picture, a line's by the upper one.
function rescale(plot, kind) {
  plot.drawn ??= { inner: plot.innerHTML, axis: plot.dataset.axis };
  const { x, y: old } = JSON.parse(plot.dataset.axis);
  if (old[4] === kind) return;
  const [least, greatest] = heights(plot);
  const y = kind === "log"
    ? [least / 1.1, greatest * 1.1, old[2], old[3], kind]
    : [Math.max(0, least - 0.05 * (greatest - least)), greatest + 0.05 * (greatest - least), old[2], old[3], kind];
  const moved = (at) => {
    const found = number(old, at);
    // An edge at 0 or below has no logarithm; it ends below the axis.
    return place(y, kind === "log" ? Math.max(found, y[0] / 2) : found);
  };
  for (const path of plot.querySelectorAll("g[data-line] path")) {
    // A mark's shape is in <defs> too, but it is used at the points of a line, not at x = 0. It keeps its form.
    const marker = path.closest("defs") && !plot.querySelector(`use[*|href="#${path.id}"][x="0"]`);
    if (marker) continue;
    const shift = path.closest("defs") ? plot.viewBox.baseVal.height : 0;
    let turn = 0;
    // The numbers of a path are x and y in turn.
    const numbers = (text) => (turn++ % 2 ? (moved(Number(text) + shift) - shift).toFixed(3) : text);
    path.setAttribute("d", path.getAttribute("d").replace(NUMBERS, numbers));
  }
  for (const use of plot.querySelectorAll("g[data-line] use:not([x='0'])")) {
    use.setAttribute("y", moved(Number(use.getAttribute("y"))).toFixed(3));
  }
  drawTicks(plot, y);
  plot.dataset.axis = JSON.stringify({ x, y });
}

function restore(plot) {
  if (!plot.drawn) return;
  // The stored picture may have other lines hidden than the legend has now.
  const hidden = [...plot.querySelectorAll(".hidden")].map((part) => part.dataset.line);
  plot.innerHTML = plot.drawn.inner;
  plot.dataset.axis = plot.drawn.axis;
  for (const part of plot.querySelectorAll("[data-line]")) {
    part.classList.toggle("hidden", hidden.includes(part.dataset.line));
  }
}

function drawTicks(plot, y) {
  const all = [...plot.querySelectorAll("g[id*='-ytick_']")];
  const model = all.find((tick) => tick.querySelector("text") && tick.querySelector("path"));
  if (!model) return;
  const text = model.querySelector("text");
  const below = Number(text.getAttribute("y")) - Number(model.querySelector("path").getAttribute("d").match(NUMBERS)[1]);
  const ticks = places(y).map((found) => {
    const tick = model.cloneNode(true), at = place(y, found);
    let turn = 0;
    const path = tick.querySelector("path"), label = tick.querySelector("text");
    path.setAttribute("d", path.getAttribute("d").replace(NUMBERS, (old) => (turn++ % 2 ? at.toFixed(3) : old)));
    label.setAttribute("y", (at + below).toFixed(3));
    label.removeAttribute("transform");
    label.textContent = String(Number(found.toPrecision(3)));
    return tick;
  });
  model.before(...ticks);
  for (const tick of all) tick.remove();
}

// Round numbers within the limits of an axis, about five.
function places([low, high, , , kind]) {
  const found = [];
  if (kind === "log") {
    const leads = high / low > 1000 ? [1] : high / low > 5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      found.push(...leads.map((lead) => lead * 10 ** power));
    }
  } else {
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((lead) => lead * power >= rough) * power;
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  }
  return found.filter((each) => each >= low && each <= high);
}
