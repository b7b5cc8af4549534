// Waiting for a better moment: after some seconds, when the line is back, or when the
// person says so; and the line under a message that tells about it.

import { blank, room } from "./page.js";

/** Says why a message has not been sent; an empty text takes that away. */
export function mark(article, text, { sendNow, takeBack } = {}) {
  article.querySelector(".unsent")?.remove();
  if (!text) {
    return null;
  }
  const line = blank("unsent");
  line.querySelector("[data-why]").textContent = text;
  for (const [name, action] of [["send-now", sendNow], ["take-back", takeBack]]) {
    const button = line.querySelector(`[data-${name}]`);
    button.hidden = !action;
    button.addEventListener("click", () => action());
  }
  article.append(line);
  return line.querySelector("[data-why]");
}

/** Resolves after `seconds`, counted down under the message, or as soon as it may work. */
export function pause(article, text, seconds, takeBack) {
  return new Promise((resolve) => {
    let left = Math.ceil(seconds);
    const over = () => {
      clearInterval(timer);
      removeEventListener("online", over);
      resolve();
    };
    const giveUp = () => {
      takeBack();
      over();
    };
    const why = article && mark(article, text, { sendNow: over, takeBack: giveUp });
    const tick = () => {
      if (why) {
        why.textContent = `${text} ${room.words.againIn.replace("{}", left)}`;
      }
      if (left <= 0) {
        over();
      }
      left -= 1;
    };
    const timer = setInterval(tick, 1000);
    addEventListener("online", over);
    tick();
  });
}

/** Says on a button for how long it had better not be pressed yet. */
export function countDown(button, seconds) {
  const text = button?.textContent;
  const until = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.textContent = left > 0 ? `${text} (${left} s)` : text;
    if (left > 0 && button.isConnected) {
      setTimeout(tick, 1000);
    }
  };
  if (button) {
    tick();
  }
}
