export type Listener = (value: unknown) => void;

/** Notifications kept for subscriptions whose id has not been answered yet: heads and states of extrinsics, which are small. */
const maxEarly = { count: 256, chars: 2 ** 20 };

interface Early {
  readonly key: unknown;
  readonly value: unknown;
  readonly chars: number;
}

/** Who gets the notifications of a socket's subscriptions, by the id that the node gave each. */
export class Subscriptions {
  readonly #listeners = new Map<unknown, Listener>();
  #early: Early[] = [];
  #earlyChars = 0;
  /** Subscriptions that were asked for and not answered. */
  #asked = 0;
  /** Of which nothing has come yet. */
  readonly #silent = new Set<unknown>();

  /** One is asked for: from now on what comes for nobody may be for it. To be followed by {@link answered}. */
  asked(): void {
    this.#asked += 1;
  }

  answered(): void {
    this.#asked -= 1;
    if (this.#asked === 0) this.#keep([]);
  }

  /** What came before its id was known comes at once. */
  add(key: unknown, listener: Listener): void {
    this.#listeners.set(key, listener);
    this.#silent.add(key);
    const early = this.#early.filter((notification) => notification.key === key);
    this.#keep(this.#early.filter((notification) => notification.key !== key));
    if (early.length > 0) this.#silent.delete(key);
    for (const { value } of early) listener(value);
  }

  /** Whether there is one of which nothing has come yet: nodes tell of the present state at once. */
  get isAwaitingFirst(): boolean {
    return this.#silent.size > 0;
  }

  drop(key: unknown): void {
    this.#listeners.delete(key);
    this.#silent.delete(key);
  }

  /** `chars`: of the frame that it came in. */
  notify(key: unknown, value: unknown, chars: number): void {
    const listener = this.#listeners.get(key);
    this.#silent.delete(key);
    if (listener !== undefined) listener(value);
    else if (this.#asked > 0 && chars <= maxEarly.chars) {
      this.#keep([...this.#early, { key, value, chars }]);
      while (this.#early.length > maxEarly.count || this.#earlyChars > maxEarly.chars) this.#keep(this.#early.slice(1));
    }
  }

  clear(): void {
    this.#listeners.clear();
    this.#silent.clear();
    this.#keep([]);
  }

  #keep(early: Early[]): void {
    this.#early = early;
    this.#earlyChars = early.reduce((sum, { chars }) => sum + chars, 0);
  }
}
