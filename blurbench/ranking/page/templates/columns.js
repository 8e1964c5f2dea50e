// Columns --------------------------------------------------------------------------------------

const columnsOf = (table) => [...table.tHead.rows[0].cells];

function columnAt(table, key) {
  return columnsOf(table).findIndex((heading) => heading.dataset.key === key);
}

// The drawing beside the first gain goes with it.
function showColumn(table, key, shown) {
  const at = columnAt(table, key);
  const plot = columnsOf(table)[at + 1]?.classList.contains("plot");
  for (const row of table.rows) {
    row.cells[at].hidden = !shown;
    if (plot) row.cells[at + 1].hidden = !shown;
  }
}

function rankBy(board, metric) {
  const table = board.querySelector("table.ranking");
  const [rank, at] = [columnAt(table, "rank"), columnAt(table, metric)];
  for (const row of table.tBodies[0].rows) {
    const place = row.cells[at].dataset.rank ?? "";
    row.cells[rank].dataset.value = place;
    row.cells[rank].textContent = place || "–";
  }
  const name = board.querySelector(`.rank-by option[value="${metric}"]`).textContent;
  const told = `by ${name}; models that chance may have ordered share one`;
  columnsOf(table)[rank].querySelector("button").title = told;
}

function startRank(board, number) {
  const select = board.querySelector(".rank-by");
  if (!select) return;
  const usual = select.value;
  const said = address.get(`by-${number}`);
  if ([...select.options].some((option) => option.value === said)) select.value = said;
  if (select.value !== usual) rankBy(board, select.value);
  select.addEventListener("change", () => {
    rankBy(board, select.value);
    const heading = columnsOf(board.querySelector("table.ranking"))[0];
    sortTable(heading, "ascending");
    address.set(`by-${number}`, select.value === usual ? "" : select.value, board.id);
    address.set(`sort-${number}`, "rank:ascending", board.id);
  });
}

// What is hidden until it is asked for: three metrics with all their gains are wider than 1,300 px.
function crowding(table) {
  const gains = columnsOf(table).map(({ dataset }) => dataset.key ?? "").filter((key) => key.endsWith("-gain"));
  return gains.length > 2 ? gains.slice(1) : [];
}

function startColumns(board, number) {
  const table = board.querySelector("table.ranking");
  const usual = crowding(table);
  const said = address.get(`hide-${number}`);
  const hidden = new Set(said ? said.split(",") : usual);
  const choices = board.querySelector(".columns .choices");
  for (const heading of columnsOf(table)) {
    const { key, label } = heading.dataset;
    if (!key || ["rank", "model"].includes(key)) continue;
    const [line, tick] = ["label", "input"].map((tag) => document.createElement(tag));
    tick.type = "checkbox";
    tick.checked = !hidden.has(key);
    showColumn(table, key, tick.checked);
    tick.addEventListener("change", () => {
      showColumn(table, key, tick.checked);
      if (tick.checked) hidden.delete(key);
      else hidden.add(key);
      const list = [...hidden].sort().join(",") || "none";
      address.set(`hide-${number}`, list === (usual.sort().join(",") || "none") ? "" : list, board.id);
    });
    line.append(tick, label);
    choices.append(line);
  }
  const details = choices.parentElement;
  document.addEventListener("click", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
}
