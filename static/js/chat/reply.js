// A reply that is being written: from parts of the stream to blocks on the page. Only
// blocks that the server rendered and sanitised go in as HTML.

import { decorate } from "./page.js";
import { patch } from "./patching.js";

export class Reply {
  /** `heard(text)` is given the text of each block that has changed. */
  constructor(article, heard) {
    this.article = article;
    this.heard = heard;
    this.prose = article.querySelector("[data-reply]");
    this.prose.dataset.growing = "";
    this.thoughts = article.querySelector("[data-reasoning-text]");
    this.blocks = [];
    this.pending = new Map();
    this.thought = "";
    this.isReplay = false;
    this.isWhole = false;
  }

  /** Takes a part of the stream; true when it was the last that matters. */
  take(part) {
    switch (part.type) {
      case "start":
        this.article.dataset.message = part.messageId;
        this.isReplay = true;
        this.pending.clear();
        this.thought = "";
        return false;
      case "data-html":
        this.pending.set(part.data.block, part.data.html);
        this.#schedule();
        return false;
      case "reasoning-delta":
        this.thought += part.delta;
        this.#schedule();
        return false;
      case "data-retry":
        this.retryAfter = part.data.seconds;
        return false;
      case "finish":
        this.isWhole = !["length", "content-filter"].includes(part.finishReason);
        return true;
      case "abort":
      case "error":
        return true;
      default:
        return false;
    }
  }

  /** Nothing more will come; shows what was still waiting for its frame. */
  close() {
    this.#render();
    decorate(this.prose, true);
    delete this.prose.dataset.growing;
    delete this.article.dataset.running;
  }

  #schedule() {
    this.frame ??= requestAnimationFrame(() => this.#render());
  }

  #clear() {
    // Not before there is something new: what a reload had shown stays until then.
    this.prose.replaceChildren();
    this.thoughts.textContent = "";
    this.blocks = [];
    this.isReplay = false;
  }

  #render() {
    this.frame = undefined;
    if (this.pending.size === 0 && !this.thought) {
      return;
    }
    if (this.isReplay) {
      this.#clear();
    }
    if (this.thought) {
      this.article.querySelector("[data-reasoning]").hidden = false;
      this.thoughts.append(this.thought);
      this.thought = "";
    }
    for (const [number, html] of this.pending) {
      this.#show(this.#block(number), html);
    }
    this.pending.clear();
  }

  #show(block, html) {
    patch(block, html);
    if (html.includes("code-head")) {
      decorate(block);
    }
    this.heard(this.blocks.indexOf(block), block);
  }

  #block(number) {
    while (this.blocks.length <= number) {
      const block = document.createElement("div");
      block.dataset.block = this.blocks.length;
      this.prose.append(block);
      this.blocks.push(block);
    }
    return this.blocks[number];
  }
}
