// Turns: shown to their end over as many connections as that takes, asked for anew,
// stopped.

import { room } from "./page.js";
import { Reply } from "./reply.js";
import { Speaker } from "./speaking.js";
import * as stream from "./stream.js";
import * as transcript from "./transcript.js";
import { countDown, pause } from "./waiting.js";

const QUIET_MS = 10_000;
const { words, composer, list } = room;
let current = 0; // number of the turn that is shown; an older one is of no interest

/** What went wrong, in words. */
export function sentence(error) {
  const known = { unreachable: words.unreachable, "signed-out": words.signedOut };
  return known[error.code] ?? error.message;
}

/** Follows the reply on the page that is being written, if there is one. */
export async function join() {
  const running = list.querySelector("[data-running]");
  if (running) {
    await show(null, running);
  }
}

/** Asks for another reply than `article`, or for one to another question; what stands
 * below goes once the server has `taken` it. */
export async function ask(body, article, question = "", taken = () => {}) {
  const response = await begin({ id: room.id, messages: [], ...composer.choice, ...body });
  composer.tell("");
  taken();
  transcript.removeFrom(article);
  const asked = question ? transcript.addQuestion(question) : null;
  const reply = transcript.addReply();
  room.follower.goToEnd();
  await show(response, reply, asked);
}

/** Goes on with a reply whose calls of tools a person has decided on. */
export async function approve(approvals, article) {
  await show(await begin({ conversationId: room.id, approvals }), article);
}

/** From here on the page is busy: news of this turn, which may come first, are its own. */
async function begin(request) {
  const was = composer.running;
  composer.running = true;
  try {
    return await stream.start(request, room.token);
  } catch (error) {
    if (!was) {
      over();
    }
    throw new Error(sentence(error));
  }
}

function over() {
  composer.running = false;
  document.dispatchEvent(new Event("turn-over"));
}

/** Shows a turn to its end; `response` may be null to join it from the start. */
export async function show(response, article, question = null) {
  const mine = ++current;
  const speaker = new Speaker(document.querySelector("[data-spoken]"));
  const reply = new Reply(article, (number, block) => speaker.hear(number, block));
  let heardAt = performance.now();
  const watch = setInterval(() => {
    if (performance.now() - heardAt > QUIET_MS) {
      room.say(words.quiet);
    }
  }, 1000);
  composer.running = true;
  transcript.outgrow(article);
  room.say(words.generating);
  const take = (part) => {
    heardAt = performance.now();
    room.say(words.generating);
    if (part.type === "start") {
      question?.setAttribute("data-message", part.messageMetadata.userMessageId);
    } else if (part.type === "data-conversation") {
      transcript.entitle(part.data);
    }
    return mine !== current || reply.take(part);
  };
  const end = await follow(response, take, () => mine === current);
  clearInterval(watch);
  reply.close();
  if (mine !== current) {
    return;
  }
  speaker.finish();
  const first = question ?? article;
  const isWanted = () => mine === current;
  let { isWhole } = reply;
  if (end === "missed") {
    isWhole = (await settle(() => transcript.replaceFrom(first, first.dataset.message, isWanted), isWanted)) && isLastWhole();
    const running = list.querySelector("[data-running]");
    if (isWanted() && running && running.dataset.message !== article.dataset.message) {
      await show(null, running); // another one, by now
      return;
    }
  }
  room.say(isWhole ? words.complete : words.incomplete, true);
  over();
  if (end instanceof Error) {
    composer.tell(sentence(end));
  } else if (end === "heard" && first.dataset.message) {
    await settle(() => transcript.refresh(first.dataset.message), isWanted);
  }
  if (reply.retryAfter) {
    countDown(article.querySelector(".mark [name=regenerate]"), reply.retryAfter);
  }
}

/** Reads until the last part, joining again whenever the line breaks: the turn goes on at
 * the server. How that went: "heard" to the end; "missed", since nothing runs there any
 * more; or the server's refusal. */
async function follow(response, take, isWanted) {
  for (let [tries, wait] = [0, 0]; isWanted(); tries += 1) {
    if (response && (await read(response, take))) {
      return "heard";
    }
    if (tries) {
      room.say(words.reconnecting);
      await pause(null, "", wait || Math.min(8, 2 ** (tries - 2)));
    }
    try {
      response = await stream.follow(room.id);
    } catch (error) {
      if (!error.passes) {
        return error;
      }
      [response, wait] = [undefined, error.wait];
    }
    if (response === null) {
      return "missed";
    }
  }
  return "missed"; // and of no interest
}

async function read(response, take) {
  try {
    for await (const part of stream.parts(response)) {
      if (take(part)) {
        return true;
      }
    }
  } catch (error) {
    console.warn("The stream broke off.", error);
  }
  return false; // it ended without saying how, which is never a complete reply
}

/** What the server has stored is the truth: how the reply ended, and what can be done.
 * Whether it could be shown. */
async function settle(look, isWanted) {
  for (let tries = 0; isWanted(); tries += 1) {
    try {
      await look();
      return true;
    } catch (error) {
      if (!error.passes) {
        return false;
      }
      await pause(null, "", error.wait || Math.min(30, 2 ** tries));
    }
  }
  return false;
}

/** Of the reply that the page shows last, as the server rendered it. */
function isLastWhole() {
  const last = [...list.querySelectorAll(".reply")].at(-1);
  return Boolean(last) && !last.matches("[data-running]") && !last.querySelector(".mark");
}

export async function stop() {
  await stream.stop(room.id, room.token).catch((error) => {
    throw new Error(sentence(error));
  });
}
