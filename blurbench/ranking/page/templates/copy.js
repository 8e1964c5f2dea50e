// Copying --------------------------------------------------------------------------------------

// The rows and columns that are shown, in their order: label, and the cells below it.
function shownColumns(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  return columnsOf(table)
    .map((heading, at) => ({ heading, at }))
    .filter(({ heading }) => heading.dataset.key && !heading.hidden)
    .map(({ heading, at }) => ({
      label: heading.dataset.label,
      cells: rows.map((row) => row.cells[at]),
    }));
}

const modelOf = (cell) => cell.closest("tr").dataset.model;

function asCsv(table) {
  // A spreadsheet runs what begins like a formula; numbers may begin with a sign.
  const safe = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const value = (cell) => (cell.matches(".model") ? modelOf(cell) : cell.dataset.value);
  const columns = shownColumns(table).map(({ label, cells }) => [label, ...cells.map(value)]);
  const lines = columns[0].map((_, row) => columns.map((column) => quoted(safe(column[row]))));
  return lines.map((line) => `${line.join(",")}\n`).join("");
}

const SPECIAL = {
  "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
  "<": "\\textless{}", ">": "\\textgreater{}", "[": "{[}", "*": "{*}", "–": "--",
  "−": "$-$", "↑": "$\\uparrow$", "↓": "$\\downarrow$",
};

const escaped = (text) => text.replace(/[&%$#_{}]|[\\~^<>[*–−↑↓]/g, (letter) => SPECIAL[letter] ?? `\\${letter}`);

function latexCell(cell) {
  if (cell.matches(".model")) return escaped(modelOf(cell));
  const text = escaped((cell.querySelector(".mean") ?? cell).textContent.trim().replace(/^-/, "−"));
  if (cell.matches(".best")) return `\\textbf{${text}}`;
  return cell.matches(".second") ? `\\underline{${text}}` : text;
}

function asLatex(table) {
  const columns = shownColumns(table);
  const sides = columns.map(({ cells }) => (cells[0]?.matches(".model") ? "l" : "r")).join("");
  const line = (cells) => `${cells.join(" & ")} \\\\\n`;
  const rows = (columns[0]?.cells ?? []).map((_, row) => line(columns.map(({ cells }) => latexCell(cells[row]))));
  return [
    `\\begin{tabular}{${sides}}\n\\toprule\n`, line(columns.map(({ label }) => escaped(label))),
    "\\midrule\n", ...rows, "\\bottomrule\n\\end{tabular}\n",
  ].join("");
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a browser may keep the clipboard from pages on disk
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function startCopy(board) {
  const [table, status] = ["table.ranking", ".copied"].map((each) => board.querySelector(each));
  for (const button of board.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      await copyText((button.dataset.as === "csv" ? asCsv : asLatex)(table));
      status.textContent = "copied";
      setTimeout(() => { status.textContent = ""; }, 2000);
    });
  }
  board.querySelector(".tools").hidden = false;
}
