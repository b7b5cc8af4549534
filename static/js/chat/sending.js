// Sending: what was sent is kept in the browser until the server has confirmed it, and
// sent again by itself. The id of the message stays the same, so nothing doubles.

import { decorate, room } from "./page.js";
import * as stream from "./stream.js";
import * as transcript from "./transcript.js";
import { join, sentence, show } from "./turns.js";
import { mark, pause } from "./waiting.js";

const { words, composer, list } = room;
const key = `unsent:${composer.person}`;
const queue = []; // [item, article]; an item is {id, conversation, isNew, text, choice}
let newConversation; // the id that the first message here will give it
let sending = false;

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function kept() {
  return JSON.parse(localStorage.getItem(key) ?? "[]");
}

function keep(items) {
  if (items.length) {
    localStorage.setItem(key, JSON.stringify(items));
  } else {
    localStorage.removeItem(key);
  }
}

function release(item) {
  keep(kept().filter((other) => other.id !== item.id));
}

/** Takes a message: it is kept here until the server has it. */
export async function send(text) {
  newConversation ??= newId();
  const place = { conversation: room.id || newConversation, isNew: !room.id };
  const item = { id: newId(), ...place, text, choice: composer.choice };
  try {
    keep([...kept(), item]);
  } catch {
    throw new Error(words.notKept);
  }
  const article = transcript.addQuestion(text);
  room.follower.goToEnd();
  if (composer.running) {
    mark(article, words.waits, { takeBack: () => takeBack(item, article) });
  }
  queue.push([item, article]);
  deliver();
}

/** Sends what waits, one after the other, each when the reply before it is there. */
export async function deliver() {
  if (sending || composer.running) {
    return;
  }
  sending = true;
  for (let next = queue[0], tries = 0; next; next = queue[0]) {
    const [item, article] = next;
    const response = await attempt(item, article, tries++);
    if (response) {
      queue.shift();
      tries = 0;
      const reply = transcript.addReply();
      article.after(reply);
      await show(response, reply, article);
    }
  }
  sending = false;
}

/** The response, or null when it has to be tried again, or the person has it back. */
async function attempt(item, article, tries) {
  const { id, conversation, text, choice } = item;
  const messages = [{ id, role: "user", parts: [{ type: "text", text }] }];
  try {
    const response = await stream.start({ id: conversation, messages, ...choice }, room.token);
    release(item);
    mark(article, "");
    composer.tell("");
    room.adopt(conversation);
    return response;
  } catch (error) {
    if (error.passes) {
      const seconds = error.wait || Math.min(30, 2 ** tries);
      const why = error.code === "turn_running" ? words.waits : `${words.unsent} ${sentence(error)}`;
      await pause(article, why, seconds, () => takeBack(item, article));
    } else {
      takeBack(item, article);
      composer.tell(sentence(error));
    }
    return null;
  }
}

function takeBack(item, article) {
  const place = queue.findIndex(([other]) => other.id === item.id);
  if (place >= 0) {
    queue.splice(place, 1);
    release(item);
    article.remove();
    room.chat.classList.toggle("blank", !list.childElementCount);
    composer.takeBack(item.text);
  }
}

document.addEventListener("turn-over", deliver);

/** What the page was left with: messages the server has not confirmed, a running reply. */
export async function resume() {
  decorate(list, true);
  const isOurs = (item) => (room.id ? item.conversation === room.id : item.isNew);
  for (const item of kept().filter(isOurs)) {
    newConversation = item.conversation;
    const article = transcript.addQuestion(item.text);
    mark(article, words.unsent, { takeBack: () => takeBack(item, article) });
    queue.push([item, article]);
  }
  await join();
  deliver();
}

/** Something happened here elsewhere: shows it, and follows what is being written. */
export async function lookAgain() {
  // Asked again when the answer is there: what was begun here meanwhile stays.
  const isIdle = () => !composer.running && !sending && !list.querySelector(".editor");
  if (isIdle()) {
    const last = [...list.querySelectorAll("[id^=message-]")].at(-1);
    await transcript.replaceFrom(last ?? null, last?.dataset.message, isIdle);
    if (isIdle()) {
      await join();
      deliver();
    }
  }
}
