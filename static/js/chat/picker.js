// Who answers: a dialog over the server's list of agents and models, with a search.

import { blank, room } from "./page.js";
import { fragment } from "./stream.js";

/** Lets the person choose who answers from now on; focus returns to the composer. */
export async function pick() {
  const option = await open();
  if (!option) {
    room.composer.focus();
  } else if (room.list.childElementCount) {
    show(option);
  } else {
    location.assign(option.href); // with that agent's greeting and questions
  }
}

/** The chosen model as a part of a send, or null. */
export async function chooseModel() {
  const option = await open((link) => link.dataset.model);
  return option && { model: option.dataset.model };
}

function show(option) {
  const form = room.composer.form;
  const { agent, model } = option.dataset;
  const name = option.querySelector("[data-name]").textContent;
  if (agent) {
    form.querySelector("[data-agent]").value = agent;
    form.querySelector("[data-picked]").textContent = name;
    form.querySelector(".avatar").replaceWith(option.querySelector(".avatar").cloneNode(true));
  }
  form.querySelector("[data-model]").value = model;
  form.querySelector("[data-picked-model]").textContent = (model || option.dataset.own).split("/").slice(1).join("/");
  history.replaceState(null, "", `${room.path}${new URL(option.href).search}`);
  document.querySelector("[data-picker]").search = new URLSearchParams({
    conversation: room.id,
    agent: form.querySelector("[data-agent]").value,
    model,
  });
  room.composer.focus();
}

async function open(isOffered = () => true) {
  const address = document.querySelector("[data-picker]").href;
  const dialog = blank("chooser");
  const place = dialog.querySelector("[data-options]");
  place.innerHTML = await fragment(`${address}&part=1`);
  const links = [...place.querySelectorAll("[data-option]")].filter(isOffered);
  const [search, nothing] = [dialog.querySelector("input"), place.querySelector("[data-nothing]")];
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    const fits = (link) => words.every((word) => link.textContent.toLowerCase().includes(word));
    for (const link of place.querySelectorAll("[data-option]")) {
      link.closest("li").hidden = !(links.includes(link) && fits(link));
    }
    for (const title of place.querySelectorAll("h3")) {
      title.hidden = !title.nextElementSibling.querySelector("li:not([hidden])");
    }
    nothing.hidden = Boolean(place.querySelector("li:not([hidden])"));
  };
  document.body.append(dialog);
  search.addEventListener("input", filter);
  dialog.addEventListener("keydown", (event) => walk(event, dialog));
  filter();
  dialog.showModal();
  const chosen = await new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(null));
    dialog.addEventListener("click", (event) => {
      const option = event.target.closest("[data-option]");
      if (option || event.target === dialog) {
        event.preventDefault();
        resolve(option);
        dialog.close();
      }
    });
  });
  dialog.remove();
  return chosen;
}

/** Arrows go through what is left, Enter takes the first, Escape closes. */
export function walk(event, dialog) {
  const links = [...dialog.querySelectorAll("li:not([hidden]) [data-option]")];
  const place = links.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    event.preventDefault(); // the browser would only empty the field
    dialog.close();
  } else if (step) {
    event.preventDefault();
    (links[place + step] ?? dialog.querySelector("input")).focus();
  } else if (event.key === "Enter" && place < 0 && links.length) {
    event.preventDefault();
    links[0].click();
  }
}
