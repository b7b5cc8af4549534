// The message field: sends by Enter, keeps a draft, and gives text away only when the
// server has taken it.

const DRAFT = "draft:";

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Composer {
  /**
   * `form` is [data-composer], which names the person; `send(text, key)` resolves when the server has the text.
   * The same text sent again has the same key, and is answered once.
   */
  constructor(form, { conversation, send }) {
    this.form = form;
    this.field = form.querySelector("textarea");
    this.sendButton = form.querySelector("[data-send]");
    this.stopButton = form.querySelector("[data-stop]");
    this.notice = form.querySelector("[data-notice]");
    this.send = send;
    this.#draftOf(conversation || "new");
    this.field.value ||= sessionStorage.getItem(this.draftKey) ?? "";
    this.field.addEventListener("input", () => this.#keepDraft());
    this.field.addEventListener("keydown", (event) => this.#onKey(event));
    form.addEventListener("submit", (event) => this.#onSubmit(event));
    this.#fit();
  }

  get running() {
    return !this.stopButton.hidden;
  }

  /** Stop stands in Send's place while a turn runs; focus stays in the composer. */
  set running(value) {
    const hadFocus = this.form.contains(document.activeElement);
    this.stopButton.hidden = !value;
    this.sendButton.hidden = value;
    if (hadFocus) {
      this.field.focus({ preventScroll: true });
    }
  }

  /** From now on drafts belong to this conversation. */
  adopt(conversation) {
    this.#draftOf(conversation);
    this.#keepDraft();
  }

  /** The next person to sign in in this tab must not find it, hence the person's id. */
  #draftOf(conversation) {
    this.draftKey = `${DRAFT}${this.form.dataset.composer}:${conversation}`;
  }

  /** Tells what went wrong; an empty text takes the notice away. */
  tell(text) {
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }

  async #onSubmit(event) {
    event.preventDefault();
    const text = this.field.value;
    if (this.running || this.field.readOnly || !text.trim()) {
      return;
    }
    if (this.attempt?.text !== text) {
      this.attempt = { text, key: randomKey() };
    }
    this.field.readOnly = true;
    this.tell("");
    try {
      await this.send(text, this.attempt.key);
      this.attempt = null;
      this.field.value = "";
      sessionStorage.removeItem(this.draftKey);
      this.#fit();
    } catch (error) {
      this.tell(error.message);
    } finally {
      this.field.readOnly = false;
    }
  }

  #onKey(event) {
    const composing = event.isComposing || event.keyCode === 229;
    const onPhone = matchMedia("(pointer: coarse) and (hover: none)").matches;
    if (event.key === "Enter" && !event.shiftKey && !composing && !onPhone) {
      event.preventDefault();
      this.form.requestSubmit();
    }
  }

  #keepDraft() {
    if (this.field.value) {
      sessionStorage.setItem(this.draftKey, this.field.value);
    } else {
      sessionStorage.removeItem(this.draftKey);
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
