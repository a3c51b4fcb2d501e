export type Listener = (value: unknown) => void;

/** Notifications kept for subscriptions whose id has not been answered yet. */
const maxEarly = 256;

/** Who gets the notifications of a socket's subscriptions, by the id that the node gave each. */
export class Subscriptions {
  readonly #listeners = new Map<unknown, Listener>();
  #early: { readonly key: unknown; readonly value: unknown }[] = [];

  /** What came before its id was known comes at once. */
  add(key: unknown, listener: Listener): void {
    this.#listeners.set(key, listener);
    const early = this.#early.filter((notification) => notification.key === key);
    this.#early = this.#early.filter((notification) => notification.key !== key);
    for (const { value } of early) listener(value);
  }

  drop(key: unknown): void {
    this.#listeners.delete(key);
  }

  notify(key: unknown, value: unknown): void {
    const listener = this.#listeners.get(key);
    if (listener !== undefined) listener(value);
    else if (this.#early.push({ key, value }) > maxEarly) this.#early.shift();
  }

  clear(): void {
    this.#listeners.clear();
    this.#early = [];
  }
}
