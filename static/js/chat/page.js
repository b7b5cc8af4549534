// The chat page: ties composer, transcript and stream together.

import { decide } from "./approval.js";
import { Composer } from "./composer.js";
import { openDrawers } from "./drawer.js";
import * as messages from "./messages.js";
import { Reply, watch } from "./reply.js";
import * as stream from "./stream.js";

const find = (name) => document.querySelector(`[data-${name}]`);
const chat = find("chat");
const list = find("messages");
const token = document.querySelector("meta[name=csrf-token]").content;
const follower = new messages.Follower(find("to-end"));
let conversation = chat.dataset.conversation;
let path = location.pathname;

const composer = new Composer(find("composer"), { conversation, send });

function say(text, isOver = false) {
  find("status").textContent = text;
  find("status").classList.toggle("done", isOver);
}

/** The page now shows this conversation: address, forms, list. */
function adopt(id) {
  if (conversation === id) {
    return;
  }
  conversation = id;
  path = `/c/${id}`;
  history.pushState(null, "", path);
  composer.adopt(id);
  document.getElementById("stop").action = `${path}/stop`;
  find("archive").action = `${path}/archive`;
  find("archive").hidden = false;
}

function replyIn(article) {
  return new Reply(article, () => follower.grown());
}

/** Shows a turn to its end. */
async function show(response, reply, question) {
  composer.running = true;
  say("Generating…");
  const take = (part) => {
    if (part.type === "start") {
      adopt(part.messageMetadata.conversationId);
      question?.setAttribute("data-message", part.messageMetadata.userMessageId);
    } else if (part.type === "data-conversation") {
      messages.entitle(part.data);
    }
    return reply.take(part);
  };
  const result = await watch(response, take, () => conversation);
  if (result === "gone" && messages.reloadOnce(reply.article.dataset.message)) {
    return;
  }
  if (result !== "ended") {
    reply.end("lost");
  }
  say(reply.isWhole ? "Reply complete" : "The reply is not complete", true);
  composer.running = false;
  offerRetry();
}

async function send(text, key) {
  const agent = chat.dataset.agent;
  const place = conversation ? { conversationId: conversation } : { agentId: agent };
  const response = await stream.start({ message: text, ...place }, token, key);
  chat.classList.remove("blank");
  find("retry")?.remove();
  const question = messages.addQuestion(list, text);
  const reply = replyIn(messages.addReply(list));
  follower.goToEnd();
  show(response, reply, question);
}

/** The last reply did not come to its end: it can be asked for again. */
function offerRetry() {
  const mark = list.lastElementChild?.querySelector(".mark.bad");
  if (mark && conversation) {
    mark.append(messages.button("Try again", "retry"));
  }
}

/** Sends a body that holds no text; `article()` is where the reply goes. */
async function again(body, article) {
  try {
    const response = await stream.start(body, token);
    composer.tell("");
    show(response, replyIn(article()));
  } catch (error) {
    composer.tell(error.message);
  }
}

function retry() {
  again({ id: conversation, trigger: "regenerate-message", messages: [] }, () => {
    list.lastElementChild.remove();
    return messages.addReply(list);
  });
}

function approve(button) {
  const approvals = decide(button);
  if (approvals) {
    const body = { conversationId: conversation, approvals };
    again(body, () => button.closest("[data-message]"));
  }
}

async function stop(event) {
  event.preventDefault();
  if (conversation) {
    await stream.stop(conversation, token).catch((error) => composer.tell(error.message));
  }
}

list.addEventListener("click", (event) => {
  const target = event.target.closest("button");
  if (target?.matches("[data-copy]")) {
    messages.copy(target);
  } else if (target?.matches("[data-retry]")) {
    retry();
  } else if (target?.matches("[data-approve]")) {
    approve(target);
  }
});
openDrawers();
addEventListener("popstate", () => {
  if (location.pathname !== path) {
    location.reload();
  }
});
document.getElementById("stop").addEventListener("submit", stop);

messages.decorate(list);
if (performance.getEntriesByType("navigation")[0]?.type === "navigate") {
  follower.goToEnd();
}
if ("running" in chat.dataset && list.lastElementChild) {
  show(null, replyIn(list.lastElementChild));
} else {
  offerRetry();
}
