// What can be done with a message: another try, go on, branches, delete, fork; copying and
// editing have files of their own.

import { room } from "./page.js";
import * as stream from "./stream.js";
import * as transcript from "./transcript.js";
import { approve, ask, join } from "./turns.js";

const articleOf = (id) => document.getElementById(`message-${id}`);

const ACTS = {
  regenerate: (id, button) => regenerate(id, { wish: wishOf(button) }),
  shorter: (id, button) => regenerate(id, { wish: button.textContent.trim() }),
  longer: (id, button) => regenerate(id, { wish: button.textContent.trim() }),
  continue: (id) => ask({ trigger: "continue-message", messageId: id }, articleOf(id)),
  branch: choose,
  delete: remove,
  more: showMore,
  async fork(id) {
    location.assign(`/c/${await stream.fork(room.id, id, room.token)}`);
  },
};

/** The buttons that send their form without scripts. */
export async function act(button) {
  for (const menu of document.querySelectorAll(":popover-open")) {
    menu.hidePopover();
  }
  room.composer.tell("");
  await ACTS[button.name](button.value, button);
}

/** The buttons that need scripts. */
export async function clicked(button) {
  if (button.matches("[data-approve]")) {
    const { decide } = await import("./approval.js");
    const approvals = decide(button);
    if (approvals) {
      await approve(approvals, button.closest("[data-message]"));
    }
  } else if (button.matches("[data-edit]")) {
    (await import("./editing.js")).edit(button.closest("[data-message]"));
  } else if (button.matches("[data-another]")) {
    button.closest("[popover]").hidePopover();
    const { chooseModel } = await import("./picker.js");
    const model = await chooseModel();
    if (model) {
      await regenerate(button.dataset.another, model);
    }
  } else if (button.matches("[data-copy]")) {
    await (await import("./copying.js")).copy(button);
  } else if (button.matches("[data-save-table]")) {
    (await import("./copying.js")).saveTable(button);
  } else if (button.matches("[data-fold]")) {
    const listing = button.closest(".code");
    const isFolded = listing.classList.toggle("folded");
    listing.scrollIntoView({ block: "nearest", behavior: "instant" });
    button.setAttribute("aria-expanded", !isFolded);
    [button.textContent, button.dataset.fold] = [button.dataset.fold, button.textContent];
  } else {
    await transcript.showEarlier(button);
  }
}

/** Fetches the menu of a message; from then on the browser opens and closes it. */
async function showMore(id, button) {
  button.type = "button";
  try {
    const text = await stream.fragment(`${room.path}/messages/${id}`);
    const menu = new DOMParser().parseFromString(text, "text/html").querySelector("[data-more]");
    menu.popover = "auto";
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.name === "wish") {
        event.preventDefault(); // else the first button of the whole form
        menu.querySelector(".wish [name=regenerate]").click();
      }
    });
    button.after(menu);
    button.removeAttribute("aria-expanded"); // it says so itself
    button.popoverTargetElement = menu;
    menu.showPopover({ source: button });
  } catch (error) {
    button.type = "submit";
    throw error;
  }
}

/** What should be different, as somebody typed it beside the button. */
function wishOf(button) {
  return button.closest(".wish")?.querySelector("[name=wish]").value.trim() ?? "";
}

function regenerate(id, choice) {
  return ask({ trigger: "regenerate-message", messageId: id, ...choice }, articleOf(id));
}

async function choose(id, button) {
  // The server may have rendered it anew since it was pressed.
  const [article, label] = [button.closest("[data-message]"), button.getAttribute("aria-label")];
  await stream.choose(room.id, id, room.token);
  room.follower.hold();
  await transcript.replaceFrom(article, article ? id : undefined);
  const arrows = [...articleOf(id).querySelectorAll(".branches button:not([disabled])")];
  (arrows.find((arrow) => arrow.getAttribute("aria-label") === label) ?? arrows[0])?.focus();
  join();
}

async function remove(id) {
  await stream.remove(room.id, id, room.token);
  const above = articleOf(id).previousElementSibling?.closest("[data-message]");
  await transcript.replaceFrom(above ?? null, above?.dataset.message);
  if (!room.list.childElementCount) {
    location.reload();
  }
  room.composer.focus();
  join();
}
