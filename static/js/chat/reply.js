// A reply that is being written: from parts of the stream to blocks on the page, over as
// many connections as that takes. Only blocks that the server rendered and sanitised go
// in as HTML.

import { blank, decorate } from "./messages.js";
import { follow, parts } from "./stream.js";

const RETRY_MS = [0, 500, 1000, 2000, 4000, 8000];
const MARKS = new Set(["length", "content-filter"]);

function usageText({ usage, cost, estimated }) {
  const tokens = `${estimated ? "about " : ""}${usage.totalTokens.toLocaleString("en")} tokens`;
  return Number(cost) > 0 ? `${tokens} · $${Number(cost).toPrecision(2)}` : tokens;
}

/** A reply that is being written; `grown()` is called after each change on screen. */
export class Reply {
  constructor(article, grown) {
    this.article = article;
    this.prose = article.querySelector("[data-reply]");
    this.prose.dataset.growing = "";
    this.grown = grown;
    this.blocks = [];
    this.pending = new Map();
    this.isReplay = false;
  }

  /** Takes a part of the stream; true when it was the last that matters. */
  take(part) {
    switch (part.type) {
      case "start":
        this.article.dataset.message = part.messageId;
        this.isReplay = true;
        this.pending.clear();
        return false;
      case "data-html":
        if (this.pending.size === 0) {
          requestAnimationFrame(() => this.#render());
        }
        this.pending.set(part.data.block, part.data.html);
        return false;
      case "reasoning-start":
      case "reasoning-delta":
        this.#think(part.delta ?? "");
        return false;
      case "finish":
        this.article.querySelector("[data-usage]").textContent = usageText(part.messageMetadata);
        this.end(MARKS.has(part.finishReason) && part.finishReason);
        return true;
      case "abort":
        this.end(part.reason === "stopped" ? "stopped" : "interrupted");
        return true;
      case "error":
        this.end("failed", part.errorText);
        return true;
      default:
        return false;
    }
  }

  /** The reply is over; `mark` names how, if not by itself. */
  end(mark, error) {
    this.isWhole = !mark;
    this.#render();
    delete this.prose.dataset.growing;
    decorate(this.article);
    if (mark) {
      const element = blank(mark);
      if (error) {
        element.querySelector("[data-error]").textContent = error;
      }
      this.article.querySelector("[data-mark]")?.remove();
      this.article.querySelector(".meta").before(element);
    }
    this.grown();
  }

  #clear() {
    // Not before there is something new: what a reload had shown stays until then.
    this.prose.replaceChildren();
    this.article.querySelector("[data-reasoning-text]").textContent = "";
    this.blocks = [];
    this.isReplay = false;
  }

  #think(text) {
    if (this.isReplay) {
      this.#clear();
    }
    this.article.querySelector("[data-reasoning]").hidden = false;
    this.article.querySelector("[data-reasoning-text]").append(text);
    this.grown();
  }

  #render() {
    if (this.pending.size === 0) {
      return;
    }
    if (this.isReplay) {
      this.#clear();
    }
    for (const [number, html] of this.pending) {
      while (this.blocks.length <= number) {
        const block = document.createElement("div");
        block.dataset.block = this.blocks.length;
        this.prose.append(block);
        this.blocks.push(block);
      }
      this.blocks[number].innerHTML = html;
      decorate(this.blocks[number]);
    }
    this.pending.clear();
    this.grown();
  }
}

async function read(response, take) {
  try {
    for await (const part of parts(response)) {
      if (take(part)) {
        return true;
      }
    }
  } catch (error) {
    console.warn("The stream broke off.", error);
  }
  return false; // it ended without saying how, which is never a complete reply
}

/**
 * Gives each part to `take` until that says it was the last. When the connection breaks
 * the turn goes on at the server, so we join it again; `id()` names the conversation.
 * `response` may be null to join from the start. Resolves to "ended", "gone" (nothing
 * runs any more) or "lost".
 */
export async function watch(response, take, id) {
  for (const wait of RETRY_MS) {
    if (response && (await read(response, take))) {
      return "ended";
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    response = id() ? await follow(id()).catch(() => undefined) : undefined;
    if (response === null) {
      return "gone";
    }
  }
  return response && (await read(response, take)) ? "ended" : "lost";
}
