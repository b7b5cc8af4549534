// Copying: a reply, a listing, a table; and a table as a file.

import { room } from "./page.js";

const SAID_MS = 1_500;
// Spreadsheets take text that begins so for a formula.
const FORMULA = /^[=+\-@\t\r]/;

export async function copy(button) {
  const code = button.closest(".code")?.querySelector("code");
  const table = button.closest(".table-acts")?.previousElementSibling;
  const text = button.closest("[data-message]").querySelector("[data-reply], [data-text]");
  const all = () => (table ? rowsOf(table).map((row) => row.join("\t")).join("\n") : written(text));
  await navigator.clipboard.writeText(code ? code.textContent : all());
  button.dataset.done = "";
  room.say(room.words.copied, true);
  setTimeout(() => delete button.dataset.done, SAID_MS);
}

/** What can be read there, with formulas as TeX and without buttons. */
function written(root) {
  const swaps = [...root.querySelectorAll("math, .code-head button, .table-acts")].map((one) => [one, new Text(texOf(one))]);
  swaps.forEach(([one, text]) => one.replaceWith(text));
  const text = root.innerText;
  swaps.forEach(([one, text]) => text.replaceWith(one));
  return text;
}

function texOf(element) {
  const mark = element.getAttribute("display") === "block" ? "$$" : "$";
  return element.localName === "math" ? mark + element.getAttribute("alttext") + mark : "";
}

function rowsOf(table) {
  return [...table.querySelectorAll("tr")].map((row) =>
    [...row.cells].map((cell) => written(cell).trim().replace(/\s+/g, " ")),
  );
}

/** As a file for spreadsheets: UTF-8, as RFC 4180 has it. */
export function saveTable(button) {
  const rows = rowsOf(button.closest(".table-acts").previousElementSibling);
  const lines = rows.map((row) => row.map(field).join(","));
  const file = new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${document.querySelector("[data-title]").textContent.replace(/[\\/:*?"<>|\s]+/g, " ").trim().slice(0, 60)}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function field(text) {
  const safe = FORMULA.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
