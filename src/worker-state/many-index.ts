/** From a text to the ids under it; most have one, so one takes no set. */
export class ManyIndex<Id extends string> {
  readonly #ids = new Map<string, Id | Set<Id>>();

  get size(): number {
    return this.#ids.size;
  }

  add(key: string, id: Id): void {
    const known = this.#ids.get(key);
    if (known === undefined) this.#ids.set(key, id);
    else if (known instanceof Set) known.add(id);
    else if (known !== id) this.#ids.set(key, new Set([known, id]));
  }

  remove(key: string, id: Id): void {
    const known = this.#ids.get(key);
    if (known === id) this.#ids.delete(key);
    if (!(known instanceof Set)) return;
    known.delete(id);
    if (known.size === 0) this.#ids.delete(key);
  }

  get(key: string): Iterable<Id> {
    const known = this.#ids.get(key);
    return known === undefined ? [] : known instanceof Set ? known : [known];
  }
}
