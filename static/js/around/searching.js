// Search while somebody types: the sidebar's field, and the palette's by `searcher`.

const PAUSE_MS = 150;

/**
 * Makes a function that shows in `place` what the server finds for a text; the last
 * text asked for wins, whatever order the answers come in.
 */
export function searcher(address, place) {
  let timer;
  let asked;
  const show = async (text) => {
    asked?.abort();
    asked = new AbortController();
    const query = new URLSearchParams({ q: text });
    try {
      const answer = await fetch(`${address}?${query}`, { signal: asked.signal });
      if (answer.ok && !answer.redirected) {
        place.innerHTML = await answer.text(); // the server's own template
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        place.replaceChildren(); // offline: the form itself still says so when sent
      }
    }
  };
  return (text) => {
    clearTimeout(timer);
    if (text.trim()) {
      timer = setTimeout(show, PAUSE_MS, text);
    } else {
      asked?.abort();
      place.replaceChildren();
    }
  };
}

const form = document.querySelector("[data-find]");
const found = document.querySelector("[data-found]");
const listed = document.querySelector("[data-listed]");

if (form) {
  const field = form.querySelector("input");
  const search = searcher(form.dataset.find, found);
  const type = () => {
    const isSearching = field.value.trim() !== "";
    found.hidden = !isSearching;
    listed.hidden = isSearching;
    search(field.value);
  };
  field.addEventListener("input", type);
  if (field.value) {
    type(); // typed while this file was on its way
  }
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && field.value) {
      event.preventDefault();
      field.value = "";
      type();
    }
  });
}
