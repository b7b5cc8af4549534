// Places in the conversation: its questions, or what a search finds as one types; and from
// one question to the next.

import { searcher } from "../around/searching.js";
import { blank, room } from "./page.js";
import { walk } from "./picker.js";
import { fragment } from "./stream.js";

const questions = () => [...room.list.querySelectorAll(".user[id]")];

/** A dialog over the server's list; without one of its links the focus goes back. Open
 * at once, so that the next letter goes into its field. */
export async function openFinder() {
  const dialog = blank("finder");
  const [field, place] = [dialog.querySelector("input"), dialog.querySelector("[data-options]")];
  const address = `${room.path}/places`;
  const search = searcher(address, place);
  let outline = "";
  field.addEventListener("input", () => {
    place.scrollTop = 0;
    search(field.value);
    if (!field.value.trim()) {
      place.innerHTML = outline; // the server's own template
    }
  });
  dialog.addEventListener("keydown", (event) => walk(event, dialog));
  dialog.addEventListener("click", (event) => {
    const link = event.target.closest("[data-place]");
    if (event.target === dialog || (link && goTo(link.dataset.place))) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  outline = await fragment(address).catch(() => "");
  if (!field.value.trim()) {
    place.innerHTML = outline;
    markCurrent(place);
  }
}

/** The question that is read now, in the middle of the list. */
function markCurrent(place) {
  const read = questions().findLast((one) => one.getBoundingClientRect().top < innerHeight * 0.75);
  const here = read && place.querySelector(`[data-place="${read.dataset.message}"]`);
  here?.setAttribute("aria-current", "true");
  place.scrollTop = (here?.offsetTop ?? 0) - place.clientHeight / 2;
}

/** Whether the message is on this page, and so in sight now; else its link loads it. */
function goTo(id) {
  const article = document.getElementById(`message-${id}`);
  if (article) {
    room.follower.hold();
    setTimeout(() => show(article)); // a dialog that closes gives its focus back first
  }
  return Boolean(article);
}

function show(article) {
  location.replace(`#${article.id}`); // marks it, and leaves no trace in the history
  article.tabIndex = -1;
  article.focus({ preventScroll: true });
}

/** To the question above or below what is read. */
export function step(by) {
  const edge = document.querySelector(".bar").offsetHeight + 24;
  const tops = questions().map((one) => one.getBoundingClientRect().top);
  const next = by > 0 ? tops.findIndex((top) => top > edge) : tops.findLastIndex((top) => top < edge - 48);
  if (questions()[next]) {
    room.follower.hold();
    show(questions()[next]);
  } else if (by > 0) {
    room.follower.goToEnd();
  } else {
    scrollTo({ top: 0, behavior: "instant" });
  }
}
