/** Runtimes kept: a chain has one at a time, a catch-up through history meets them one after another. */
const maxRuntimes = 4;

/** What was loaded last, by spec version; each once, however many ask for it at the same time. */
export class RuntimesByVersion<T> {
  readonly #loading = new Map<number, Promise<T>>();

  async get(specVersion: number, load: () => Promise<T>): Promise<T> {
    const known = this.#loading.get(specVersion);
    if (known !== undefined) return known;
    const loading = load();
    this.#loading.set(specVersion, loading);
    const [oldest] = this.#loading.keys();
    if (this.#loading.size > maxRuntimes && oldest !== undefined) this.#loading.delete(oldest);
    try {
      return await loading;
    } catch (error) {
      this.#loading.delete(specVersion);
      throw error;
    }
  }

  delete(specVersion: number): void {
    this.#loading.delete(specVersion);
  }
}
