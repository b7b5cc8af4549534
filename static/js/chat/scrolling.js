// The scrolling that follows the newest text, unless the reader has scrolled up.

const NEAR_END_PX = 60;

export class Follower {
  /** `list` is what grows, `toEnd` the button that leads to its end. */
  constructor(list, toEnd) {
    this.toEnd = toEnd;
    this.following = true;
    this.top = scrollY;
    this.height = 0;
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Called after the browser has laid the page out, so that nothing is measured twice.
    const grown = new ResizeObserver(() => this.#grown());
    grown.observe(list);
    grown.observe(document.documentElement);
    toEnd.addEventListener("click", () => this.goToEnd());
  }

  get #isAtEnd() {
    return document.documentElement.scrollHeight - innerHeight - scrollY < NEAR_END_PX;
  }

  goToEnd() {
    this.following = true;
    scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    this.#offer(false);
  }

  /** Stays where it is while the text changes. */
  hold() {
    this.following = false;
  }

  /** Follows on if this is where the end is: the browser has gone to a place of its own. */
  settle() {
    this.following = this.#isAtEnd;
  }

  /** Runs `change`, and leaves the reader where they are while the page grows above. */
  keepPlace(anchor, change) {
    this.hold();
    const before = anchor.getBoundingClientRect().top;
    change();
    scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
    this.top = scrollY;
  }

  /** Touches the page only when something changes. */
  #offer(value) {
    if (this.toEnd.hidden === value) {
      this.toEnd.hidden = !value;
    }
  }

  #grown() {
    if (this.following) {
      this.goToEnd();
    } else {
      this.#offer(!this.#isAtEnd);
    }
  }

  #scrolled() {
    const isAtEnd = this.#isAtEnd;
    const height = document.documentElement.scrollHeight;
    // The page also moves up when messages turn out to be lower than was guessed.
    const byReader = scrollY < this.top && height >= this.height;
    if (isAtEnd || byReader) {
      this.following = isAtEnd;
    }
    this.top = scrollY;
    this.height = height;
    this.#offer(!isAtEnd && !this.following);
  }
}
