// Tables ---------------------------------------------------------------------------------------

function clickHeading(heading) {
  const { first } = heading.dataset;
  const other = first === "ascending" ? "descending" : "ascending";
  sortTable(heading, heading.getAttribute("aria-sort") === first ? other : first);
}

function sortTable(heading, order) {
  const table = heading.closest("table");
  for (const each of table.tHead.rows[0].cells) {
    if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", order);
  const key = heading.classList.contains("model")
    ? (row) => row.dataset.model
    : (row) => row.cells[heading.cellIndex].dataset.value;
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b), sign));
  table.tBodies[0].append(...rows);
}

function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last
  const numbers = [Number(a), Number(b)];
  if (numbers.some(Number.isNaN)) return sign * a.localeCompare(b, "en", { numeric: true });
  return sign * (numbers[0] - numbers[1]);
}

function filterTable(board, text) {
  const rows = [...board.querySelectorAll("table.ranking tbody tr")];
  const wanted = text.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.dataset.model.toLowerCase().includes(wanted);
  const shown = rows.filter((row) => !row.hidden).length;
  board.querySelector(".filter .count").textContent = wanted ? `${shown} of ${rows.length}` : "";
}

function startTables(board, number) {
  const [sortKey, filterKey] = [`sort-${number}`, `filter-${number}`];
  const [sorted, order] = address.get(sortKey).split(":");
  for (const heading of board.querySelectorAll("table.ranking th[data-first]")) {
    const { key } = heading.dataset;
    if (key === sorted && ["ascending", "descending"].includes(order)) sortTable(heading, order);
    heading.querySelector("button").addEventListener("click", () => {
      clickHeading(heading);
      address.set(sortKey, `${key}:${heading.getAttribute("aria-sort")}`, board.id);
    });
  }
  const filter = board.querySelector(".filter");
  const field = filter.querySelector("input");
  field.value = address.get(filterKey);
  filterTable(board, field.value);
  filter.hidden = !field.value && board.querySelectorAll("table.ranking tbody tr").length < 8;
  field.addEventListener("input", () => {
    filterTable(board, field.value);
    address.set(filterKey, field.value.trim(), board.id);
  });
  for (const link of board.querySelectorAll("th.model a")) {
    link.addEventListener("click", () => {
      document.getElementById(link.hash.slice(1)).closest("details").open = true;
    });
  }
}
