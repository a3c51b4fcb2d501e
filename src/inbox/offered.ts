import type { Outcome } from './arrival.ts';

/** Messages that wait in memory, at most … */
const most = 2_048;
/** … and bytes of them. */
const mostBytes = 2 ** 23;

/** What was accepted and is opened, until there is room for it. The store has all of it too. */
export class Offered {
  #outcomes: readonly Outcome[] = [];
  #at = 0;

  get isEmpty(): boolean {
    return this.#at >= this.#outcomes.length;
  }

  get first(): Outcome | undefined {
    return this.#outcomes[this.#at];
  }

  /** Takes what follows on what is there, where that is not too much. */
  add(outcomes: readonly Outcome[]): void {
    if (this.isEmpty) this.#set(outcomes);
    if (this.isEmpty || outcomes.length === 0 || this.#outcomes === outcomes) return;
    const [last, first] = [this.#outcomes.at(-1), outcomes[0]];
    if (last?.type !== 'message' || first?.type !== 'message' || first.sequence !== last.sequence + 1n) return;
    const all = [...this.#outcomes.slice(this.#at), ...outcomes];
    const bytes = all.reduce((sum, each) => sum + (each.type === 'message' ? each.record.envelope.length : 0), 0);
    if (all.length <= most && bytes <= mostBytes) this.#set(all);
  }

  /** The first is done with. */
  shift(): void {
    this.#at += 1;
    if (this.isEmpty) this.clear();
  }

  clear(): void {
    this.#set([]);
  }

  #set(outcomes: readonly Outcome[]): void {
    this.#outcomes = outcomes;
    this.#at = 0;
  }
}
