/** A list of listeners. Only who holds the Signal emits; others are handed `on`. */
export class Signal<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Gives the function that ends it. */
  readonly on = (listener: (value: T) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  emit(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}
