// The command palette: a field, commands that match it, and what the search finds.

import { textOf } from "./fetching.js";
import { searcher } from "./searching.js";

const SEARCH = "/search/results";
const ROOMY = matchMedia("(min-width: 60rem)");
let search;
let previewed;

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
  } else if (event.key === "Escape") {
    dialog.close(); // the browser would only empty the field
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

/** A look at the conversation that this link leads to, where there is room for it. */
async function preview(dialog, link) {
  const place = dialog.querySelector("[data-preview]");
  const isFound = link?.closest("[data-palette-found]") && link.pathname.startsWith("/c/");
  previewed?.abort();
  if (!isFound || !ROOMY.matches) {
    place.hidden = true;
    return;
  }
  previewed = new AbortController();
  const text = await textOf(`${link.pathname}/preview${link.search}`, previewed);
  if (text) {
    place.innerHTML = text; // the server's own template
    place.hidden = false;
    const at = place.querySelector(".preview-at");
    place.scrollTop = (at?.offsetTop ?? 0) - place.clientHeight / 4;
  }
}

function prepare(dialog, field) {
  const found = dialog.querySelector("[data-palette-found]");
  const look = (event) => event.target.closest("a") && preview(dialog, event.target.closest("a"));
  new MutationObserver(() => preview(dialog, found.querySelector("a"))).observe(found, { childList: true });
  dialog.addEventListener("focusin", look);
  dialog.addEventListener("pointerover", look);
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
