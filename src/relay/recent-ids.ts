import type { Hex } from '../codec/index.ts';

/** What is known of the last so many message ids; the oldest is forgotten first. */
export class RecentIds<T> {
  readonly #known = new Map<Hex, T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  has(id: Hex): boolean {
    return this.#known.has(id);
  }

  get(id: Hex): T | undefined {
    return this.#known.get(id);
  }

  set(id: Hex, value: T): void {
    this.#known.set(id, value);
    if (this.#known.size <= this.#most) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }
}
