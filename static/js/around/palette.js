// The command palette: a field, commands that match it, and what the search finds.

import { searcher } from "./searching.js";

const SEARCH = "/search/results";
let search;

function links(dialog) {
  return [...dialog.querySelectorAll("a")].filter((link) => link.checkVisibility());
}

/** Commands whose every typed word they contain. */
function filter(dialog, text) {
  const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  for (const command of dialog.querySelectorAll("[data-commands] li")) {
    const name = command.textContent.toLocaleLowerCase();
    command.hidden = !words.every((word) => name.includes(word));
  }
}

/** Arrows walk from the field through the links and back; Enter follows the first. */
function move(dialog, field, event) {
  const stops = [field, ...links(dialog)];
  const here = stops.indexOf(document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    stops[(next + stops.length) % stops.length].focus();
  } else if (event.key === "Enter" && document.activeElement === field) {
    stops[1]?.click();
  } else if (event.key === "Tab" || event.key === "Enter" || event.key.length !== 1) {
    return;
  } else if (document.activeElement === field || event.ctrlKey || event.metaKey) {
    return;
  } else {
    field.focus(); // the letter goes into it
    return;
  }
  event.preventDefault();
}

function prepare(dialog, field) {
  search = searcher(SEARCH, dialog.querySelector("[data-palette-found]"));
  field.addEventListener("input", () => refresh(dialog));
  dialog.addEventListener("keydown", (event) => move(dialog, field, event));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("a")) {
      dialog.close(); // beside it, or gone elsewhere
    }
  });
}

/** Shows what belongs to the text in its field. */
export function refresh(dialog) {
  const field = dialog.querySelector("[data-palette-field]");
  if (!search) {
    prepare(dialog, field);
  }
  filter(dialog, field.value);
  search(field.value);
}
