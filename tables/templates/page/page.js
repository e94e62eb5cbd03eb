// What every page of the report can do; without it they can be read all the same.
//
// table.sortable: a header cell th.by becomes a button that sorts the body by its column
//   (data-column, else its place among the cells). A cell's value is its data-value, else its text;
//   a cell with neither, and one with class "hole", stays last in both directions.
// .why[title]: the title becomes a tooltip that opens on hover, keyboard focus and tap, stays while
//   the pointer is on it, and closes on Escape.
"use strict";

const valueOf = (row, column) => {
  const cell = row.cells[column];
  if (!cell || cell.classList.contains("hole")) return null;
  const text = (cell.dataset.value ?? cell.textContent).trim();
  if (text === "") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
};

const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");

const sortTable = (table, head, direction) => {
  const column = Number(head.dataset.column ?? head.cellIndex);
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  const held = rows.filter(([value]) => value !== null);
  const holes = rows.filter(([value]) => value === null);
  const sign = direction === "ascending" ? 1 : -1;
  held.sort(([a], [b]) => sign * compare(a, b)); // stable by the language's definition
  body.append(...[...held, ...holes].map(([, row]) => row));
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  table.dispatchEvent(new CustomEvent("sorted", { detail: { column, direction } }));
};

// Numbers begin with the largest, names with A; a second press turns the order round.
const nextDirection = (table, head) => {
  const now = head.getAttribute("aria-sort");
  if (now) return now === "ascending" ? "descending" : "ascending";
  const column = Number(head.dataset.column ?? head.cellIndex);
  const values = [...table.tBodies[0].rows].map((row) => valueOf(row, column));
  return values.some((value) => typeof value === "number") ? "descending" : "ascending";
};

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.querySelectorAll("th.by")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortTable(table, head, nextDirection(table, head)));
    head.append(button);
  }
}

const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
document.querySelector("main").append(tip);
let described = null;
let closing = 0;

const hideTip = () => {
  described?.removeAttribute("aria-describedby");
  described = null;
  tip.hidden = true;
};

const placeTip = () => {
  if (!described) return;
  const place = described.getBoundingClientRect();
  const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = place.bottom + 4;
  const above = place.top - tip.offsetHeight - 4;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below + tip.offsetHeight > window.innerHeight && above > 0 ? above : below}px`;
};

const showTip = (target) => {
  clearTimeout(closing);
  if (described === target) return;
  hideTip();
  tip.textContent = target.dataset.why;
  tip.hidden = false;
  described = target;
  target.setAttribute("aria-describedby", "tip");
  placeTip();
};

const hideSoon = () => {
  clearTimeout(closing);
  closing = setTimeout(hideTip, 150);
};

for (const target of document.querySelectorAll(".why[title]")) {
  target.dataset.why = target.title;
  target.removeAttribute("title");
  target.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") showTip(target);
  });
  target.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && document.activeElement !== target) hideSoon();
  });
  target.addEventListener("focus", () => showTip(target));
  target.addEventListener("blur", hideTip);
  target.addEventListener("click", () => showTip(target));
}
tip.addEventListener("pointerenter", () => clearTimeout(closing));
tip.addEventListener("pointerleave", hideSoon);
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
document.addEventListener("scroll", placeTip, { capture: true, passive: true });
document.addEventListener("pointerdown", (event) => {
  if (described && !described.contains(event.target) && event.target !== tip) hideTip();
});
