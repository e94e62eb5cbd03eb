// The leaderboard: family filter, search, and what is chosen kept in the address (#view:...).
"use strict";
{
  const board = document.getElementById("board");
  const form = document.querySelector(".board form");
  const family = document.getElementById("family");
  const search = document.getElementById("search");
  const intervals = document.getElementById("intervals");
  const shown = document.getElementById("shown");
  const rows = [...board.tBodies[0].rows];
  let order = null;

  const metric = () => form.elements.metric.value;

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = [...row.cells].slice(0, 3).map((cell) => cell.dataset.value ?? cell.textContent);
      const known = text.join(" ").toLowerCase();
      const fits = !family.value || row.dataset.family === family.value;
      row.hidden = !(fits && words.every((word) => known.includes(word)));
      count += !row.hidden;
    }
    shown.value = `${count} of ${rows.length} rows`;
  };

  const remember = () => {
    const state = new URLSearchParams();
    if (metric() !== "AP") state.set("metric", metric());
    if (!intervals.checked) state.set("intervals", "off");
    if (family.value) state.set("family", family.value);
    if (search.value) state.set("search", search.value);
    if (order) state.set("sort", `${order.column} ${order.direction}`);
    const text = state.toString();
    // Where the page has no address of its own (about:srcdoc), there is nowhere to keep it.
    try {
      history.replaceState(null, "", text ? `#view:${text}` : location.pathname);
    } catch {}
  };

  const heads = [...board.tHead.querySelectorAll("th.by")];
  const headOf = (column) => heads.find((head) => Number(head.dataset.column) === column);

  // The order follows the metric: sorted by AP over a set, then by ACC over the same set.
  const followMetric = () => {
    const sorted = board.tHead.querySelector("[aria-sort]");
    const wanted = metric().toLowerCase();
    const other = wanted === "ap" ? "acc" : "ap";
    if (!sorted?.classList.contains(other)) return;
    const place = (head) => head.textContent.replace(/, (AP|ACC)$/, "");
    const twin = heads.find((head) => head.classList.contains(wanted) && place(head) === place(sorted));
    if (twin) sortTable(board, twin, sorted.getAttribute("aria-sort"));
  };

  const recall = () => {
    if (!location.hash.startsWith("#view:")) return;
    const state = new URLSearchParams(location.hash.slice("#view:".length));
    form.elements.metric.value = state.get("metric") === "ACC" ? "ACC" : "AP";
    intervals.checked = state.get("intervals") !== "off";
    family.value = state.get("family") ?? "";
    search.value = state.get("search") ?? "";
    const [column, direction] = (state.get("sort") ?? "").split(" ");
    const head = headOf(Number(column || NaN));
    if (head) sortTable(board, head, direction === "ascending" ? "ascending" : "descending");
  };

  for (const hidden of form.querySelectorAll("[data-script]")) hidden.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.reset(); // not what the browser remembers of an earlier visit
  board.addEventListener("sorted", (event) => {
    order = event.detail;
    remember();
  });
  recall();
  filter();
  for (const input of form.elements) {
    input.addEventListener("input", () => {
      if (input.name === "metric") followMetric();
      filter();
      remember();
    });
  }
  addEventListener("hashchange", () => {
    recall();
    filter();
  });
}
