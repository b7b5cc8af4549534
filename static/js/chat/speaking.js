// Reads a growing reply to screen readers sentence by sentence: what is announced for
// every word is noise.

const EVERY_MS = 1_500;
const KEPT = 20;
const SENTENCE_END = /[.!?…:;。！？؟]["'”’)\]]*(?=\s|$)|\n/g;

export class Speaker {
  /** `region` is polite and hidden from sight. */
  constructor(region) {
    this.region = region;
    this.blocks = [];
    this.spoken = []; // characters of each block
    region.replaceChildren();
  }

  /** A block of the reply has changed. */
  hear(number, block) {
    this.blocks[number] = block;
    this.timer ??= setTimeout(() => this.#speak(false), EVERY_MS);
  }

  /** The reply is over: says what is left. */
  finish() {
    clearTimeout(this.timer);
    this.#speak(true);
  }

  #speak(isOver) {
    this.timer = undefined;
    const said = [];
    this.blocks.forEach((block, number) => {
      const text = block.textContent;
      const from = this.spoken[number] ?? 0;
      const isDone = isOver || number < this.blocks.length - 1;
      const to = isDone ? text.length : lastEnd(text);
      if (to > from) {
        said.push(text.slice(from, to).trim());
        this.spoken[number] = to;
      }
    });
    if (said.length) {
      const line = document.createElement("p");
      line.textContent = said.join(" ");
      this.region.append(line);
    }
    while (this.region.childElementCount > KEPT) {
      this.region.firstElementChild.remove();
    }
  }
}

function lastEnd(text) {
  let end = 0;
  for (const found of text.matchAll(SENTENCE_END)) {
    end = found.index + found[0].length;
  }
  return end === text.length && !/\s$/.test(text) ? 0 : end;
}
