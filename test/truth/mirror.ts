import assert from 'node:assert/strict';
import type { Subscription } from 'rxjs';
import { toHex, type Hex } from '../../src/codec/index.ts';
import type { EpochKey, WorkerChange, WorkerEntry, WorkerStateWatch } from '../../src/worker-state/index.ts';

/**
 * Replays `changes$` from the snapshot on. Each change must fit what is there and make a difference: one that was left out
 * or came twice is an error.
 */
export class Mirror implements Disposable {
  readonly #entries = new Map<Hex, WorkerEntry>();
  readonly #subscription: Subscription;
  readonly #name: string;
  /** What was told of each worker's records since its list last changed. */
  readonly #faults = new Map<Hex, Set<string>>();
  /** Told so far, of records that do not count aside. */
  changes = 0;
  /** Of them, those that came at a lower block than one before: a reorg took what they tell. */
  takenBack = 0;
  #highest = 0;
  invalidRecords = 0;
  failure: unknown;

  constructor(name: string, watch: WorkerStateWatch) {
    this.#name = name;
    // Between the snapshot and this line nothing is awaited: no change falls between the two.
    for (const [id, entry] of watch.state) this.#entries.set(id, entry);
    this.#subscription = watch.changes$.subscribe({
      next: (change) => {
        try {
          this.#apply(change);
        } catch (error) {
          this.failure ??= error;
        }
      },
      error: (error: unknown) => (this.failure ??= error),
    });
  }

  /** Throws what went wrong so far. */
  check(): void {
    const { failure } = this;
    if (failure === undefined) return;
    throw new Error(`${this.#name}: ${failure instanceof Error ? failure.message : 'it failed'}`, { cause: failure });
  }

  /** Whether the replayed changes come to what the watch shows. */
  compareWith(watch: WorkerStateWatch): void {
    this.check();
    const shown = new Map(watch.state);
    assert.deepEqual([...this.#entries.keys()].sort(), [...shown.keys()].sort(), `${this.#name}: ids`);
    for (const [id, entry] of shown)
      assert.equal(inShort(this.#entries.get(id)), inShort(entry), `${this.#name}: ${id}`);
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }

  #apply(change: WorkerChange): void {
    if (change.type === 'invalid-record') {
      this.#noteFault(change);
      return;
    }
    this.changes += 1;
    if (change.block < this.#highest) this.takenBack += 1;
    this.#highest = Math.max(this.#highest, change.block);
    const { identity } = change.worker;
    const known = this.#entries.get(identity);
    const where = `${change.type} of ${identity} at ${change.block}`;
    if (change.type !== 'changed' ? change.type !== 'gatekeeper' : change.what.includes('endpoints'))
      this.#faults.delete(identity);
    if (change.type === 'removed') {
      assert.ok(known !== undefined, `${where}: it was not there`);
      this.#entries.delete(identity);
      return;
    }
    if (change.type === 'added') assert.equal(known, undefined, `${where}: it was there`);
    else {
      assert.equal(inShort(change.before), inShort(known), `${where}: what was before`);
      assert.notEqual(inShort(change.worker), inShort(known), `${where}: nothing differs`);
    }
    this.#entries.set(identity, change.worker);
  }

  #noteFault({ identity, fault, reason, block }: Extract<WorkerChange, { readonly type: 'invalid-record' }>): void {
    this.invalidRecords += 1;
    const told = this.#faults.get(identity) ?? new Set();
    assert.ok(!told.has(fault), `invalid-record of ${identity} at ${block}, "${reason}": it was told before`);
    this.#faults.set(identity, told.add(fault));
  }
}

/** All of an entry in a line. */
function inShort(entry: WorkerEntry | undefined): string {
  if (entry === undefined) return 'none';
  const { epochs, current, endpoints, gatekeeper, runtimeVersion, confidenceLevel } = entry;
  const key = ({ epoch, ecdhKey, proven }: EpochKey): string => `${epoch}${proven ? '!' : '?'}${toHex(ecdhKey)}`;
  const numbers = `version ${runtimeVersion}, confidence ${confidenceLevel}`;
  return `${epochs.map(key).join(' ')}, now ${key(current)}, [${endpoints.join()}], ${gatekeeper}, ${numbers}`;
}
