// A piece of a reply that is selected, as a quotation in the message field.

import { blank, room } from "./page.js";

const GAP_PX = 8;
const button = blank("quote");

/** What is selected, if all of it is in one message. */
function selected() {
  const selection = getSelection();
  const range = selection.rangeCount && !selection.isCollapsed ? selection.getRangeAt(0) : null;
  const within = range?.commonAncestorContainer;
  const text = (within?.nodeType === Node.TEXT_NODE ? within.parentElement : within)?.closest("[data-reply], [data-text]");
  return text && selection.toString().trim() ? range : null;
}

/** Under the end of the selection, where it covers none of it. */
export function offer() {
  const range = selected();
  button.hidden = !range;
  if (range) {
    const box = range.getBoundingClientRect();
    const last = [...range.getClientRects()].at(-1) ?? box;
    const left = Math.min(last.right, innerWidth - button.offsetWidth - GAP_PX);
    button.style.left = `${Math.max(GAP_PX, left)}px`;
    button.style.top = `${Math.min(Math.max(last.bottom, 0) + GAP_PX, innerHeight - button.offsetHeight - GAP_PX)}px`;
  }
}

export function quote() {
  if (selected()) {
    const lines = getSelection().toString().trim().split(/\n+/);
    room.composer.add(`${lines.map((line) => `> ${line}`).join("\n")}\n\n`);
    getSelection().removeAllRanges();
  }
  button.hidden = true;
}

button.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the selection
button.addEventListener("click", quote);
addEventListener("keydown", (event) => {
  if (event.altKey && event.code === "KeyQ" && selected()) {
    event.preventDefault();
    quote();
  }
});
addEventListener("scroll", () => (button.hidden = true), { passive: true });
document.querySelector("[data-status]").before(button);
