// The message field: sends by Enter, and keeps a draft for each conversation.

const LIMIT_KIB = 64;

export class Composer {
  /**
   * `form` is [data-composer], which names the person: the next one to sign in here must
   * not find what this one wrote. `send(text)` takes a text to be sent; `tell(error)` says
   * why it could not.
   */
  constructor(form, { conversation, words, send, tell }) {
    this.form = form;
    this.words = words;
    this.field = form.querySelector("textarea");
    this.sendButton = form.querySelector("[data-send]");
    this.stopButton = form.querySelector("[data-stop]");
    this.notice = form.querySelector("[data-notice]");
    this.send = send;
    this.fail = tell;
    this.person = form.dataset.composer;
    this.conversation = conversation;
    this.field.value ||= localStorage.getItem(this.#draftKey) ?? "";
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => this.#onKey(event));
    form.addEventListener("submit", (event) => this.#onSubmit(event));
    this.#fit();
  }

  get #draftKey() {
    return `draft:${this.person}:${this.conversation || "new"}`;
  }

  get running() {
    return !this.stopButton.hidden;
  }

  /** Stop stands beside Send while a turn runs; focus stays in the composer. */
  set running(value) {
    const lost = [this.stopButton, this.sendButton].includes(document.activeElement);
    this.stopButton.hidden = !value;
    this.#changed();
    if (lost) {
      this.focus();
    }
  }

  /** Who answers: what the body of a send says of it. */
  get choice() {
    const { value: agentId } = this.form.querySelector("[data-agent]");
    const { value: model } = this.form.querySelector("[data-model]");
    return { ...(agentId && { agentId }), ...(model && { model }) };
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  /** From now on drafts belong to this conversation. */
  adopt(conversation) {
    localStorage.removeItem(this.#draftKey);
    this.conversation = conversation;
    this.#changed();
  }

  /** Tells what went wrong; an empty text takes the notice away. */
  tell(text) {
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }

  /** Puts a text below what is there, to be written on. */
  add(text) {
    this.field.value = [this.field.value.trimEnd(), text].filter(Boolean).join("\n\n");
    this.#changed();
    this.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
    this.field.scrollTop = this.field.scrollHeight;
  }

  /** Puts a text back that could not be sent. */
  takeBack(text) {
    this.field.value = [text, this.field.value].filter(Boolean).join("\n\n");
    this.#changed();
    this.focus();
  }

  async #onSubmit(event) {
    event.preventDefault();
    const starter = event.submitter?.name === "starter" && event.submitter.value;
    const text = starter || this.field.value;
    const size = Math.ceil(new TextEncoder().encode(text).length / 1024);
    if (!text.trim()) {
      return;
    }
    this.tell(size > LIMIT_KIB ? this.words.tooLong.replace("{}", size) : "");
    if (size > LIMIT_KIB) {
      return;
    }
    try {
      await this.send(text);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!starter && this.field.value === text) {
      this.field.value = "";
      this.#changed();
    }
    this.focus();
  }

  #onKey(event) {
    const composing = event.isComposing || event.keyCode === 229;
    const onPhone = matchMedia("(pointer: coarse) and (hover: none)").matches;
    if (event.key === "ArrowUp" && !this.field.value && !event.altKey && !event.shiftKey) {
      const edits = document.querySelectorAll("[data-messages] [data-edit]");
      event.preventDefault();
      [...edits].at(-1)?.click();
    } else if (event.key === "Enter" && !event.shiftKey && !composing && !onPhone) {
      event.preventDefault();
      this.form.requestSubmit();
    }
  }

  /** Send stands in Stop's place when there is something to send after this reply. */
  #changed() {
    const text = this.field.value;
    this.sendButton.hidden = this.running && !text.trim();
    if (text) {
      localStorage.setItem(this.#draftKey, text);
    } else {
      localStorage.removeItem(this.#draftKey);
    }
    this.#fit();
  }

  #fit() {
    if (!CSS.supports("field-sizing", "content")) {
      this.field.style.height = "auto";
      this.field.style.height = `${this.field.scrollHeight}px`;
    }
  }
}
