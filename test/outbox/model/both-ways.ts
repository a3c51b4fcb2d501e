import type { Call } from '../../../src/chain/index.ts';
import type { Hex } from '../../../src/codec/index.ts';
import { isWaiting } from '../../../src/outbox/message-record.ts';
import type { Stored } from '../../../src/outbox/outbox-change.ts';
import { routePrefix } from '../../../src/outbox/outbox-keys.ts';
import { OutboxStore } from '../../../src/outbox/outbox-store.ts';
import type { TransactionalStore } from '../../../src/store/index.ts';
import { storeKey } from '../../../src/store/keys.ts';
import { channelNonce, headerOf } from './recipients.ts';

type Named = Parameters<typeof channelNonce>[0];

/** Of a worker's messages that wait on the chain's side, and what was so when the process had nothing to do. */
interface Quiet {
  /** In no extrinsic, though the chain's side does not get on: they come back before what was sent later goes. */
  readonly loose: ReadonlySet<bigint>;
  readonly isStuck: boolean;
}

/**
 * Looks at what the outbox gives to the relay and to the node at the moment when it does, and into its store: off chain
 * goes nothing before what was sent earlier and waits for that too, and no message is given to both.
 */
export class BothWays {
  readonly broken: string[] = [];
  readonly #disk: TransactionalStore;
  readonly #store: OutboxStore;
  /** Asked to take it, or it has it and the outbox knows. */
  readonly #atRelay = new Set<string>();
  #quiet: Quiet = { loose: new Set(), isStuck: false };
  /** The last that a node said is that it takes nothing. */
  #isRefused = false;
  #hasAccount = true;

  constructor(disk: TransactionalStore) {
    this.#disk = disk;
    this.#store = new OutboxStore(disk);
  }

  /** A process begins: what an earlier one had under way it does not know of. */
  async begin(hasAccount: boolean): Promise<void> {
    this.#hasAccount = hasAccount;
    this.#isRefused = false;
    const relayed = (await this.#records()).filter(({ record }) => record.progress.state === 'relayed');
    const known = new Set(relayed.map(({ record }) => channelNonce(record)));
    for (const name of this.#atRelay) if (!known.has(name)) this.#atRelay.delete(name);
    await this.quiet();
  }

  /** The process has nothing to do. */
  async quiet(): Promise<void> {
    const loose = new Set<bigint>();
    for (const stored of await this.#records()) if (await this.#isLoose(stored)) loose.add(stored.id);
    this.#quiet = { loose, isStuck: this.#isStuck };
  }

  /** The chain's side says that it does not get on. */
  refused(): void {
    this.#isRefused = true;
  }

  /** The relay is asked to take a message. `retried`: sends that were queued again by hand, for which no order is kept. */
  async carrying(message: Named, retried: ReadonlySet<bigint>): Promise<void> {
    const name = channelNonce(message);
    this.#atRelay.add(name);
    const records = await this.#records();
    const own = records.find(({ record }) => record.as === 'worker' && channelNonce(record) === name);
    if (own === undefined) return;
    const { members } = await this.#store.inFlight();
    if (members.has(own.id)) this.broken.push(`message ${own.id} goes off chain while an extrinsic carries it`);
    for (const earlier of records) {
      if (earlier.id >= own.id || retried.has(earlier.id) || !isWaiting(earlier)) continue;
      // Those to others have turns of their own.
      if (earlier.record.to !== own.record.to) continue;
      const place = await this.#disk.get(storeKey(routePrefix('relay'), earlier.id));
      if (place !== undefined) this.broken.push(`message ${own.id} goes off chain before ${earlier.id}`);
      const isLeft = this.#isStuck && this.#quiet.isStuck && this.#quiet.loose.has(earlier.id);
      if (isLeft && (await this.#isLoose(earlier)))
        this.broken.push(`message ${own.id} goes off chain before ${earlier.id}, which does not get on at the chain`);
    }
  }

  /** The outbox has no word from the relay that it took it. */
  notCarried(message: Named): void {
    this.#atRelay.delete(channelNonce(message));
  }

  /** A node is given an extrinsic. */
  posting(calls: readonly Call[], worker: Hex): void {
    this.#isRefused = false;
    for (const call of calls) {
      if (call.kind !== 'sync-offchain-message' || call.worker !== worker || call.payload.length === 0) continue;
      const name = nameIn(call.payload);
      if (name !== undefined && this.#atRelay.has(name))
        this.broken.push(`${name} goes on chain, and the relay has it`);
    }
  }

  get #isStuck(): boolean {
    return this.#isRefused || !this.#hasAccount;
  }

  async #isLoose(stored: Stored): Promise<boolean> {
    const { id, record } = stored;
    if (record.via !== 'auto' || record.as !== 'worker' || !isWaiting(stored)) return false;
    if ((await this.#store.inFlight()).members.has(id)) return false;
    const waits = (await this.#store.waitsAsWorker(id)) ?? (await this.#store.isSigned(id));
    return waits !== undefined;
  }

  #records(): Promise<Stored[]> {
    return this.#store.list(0n, 1_000);
  }
}

/** undefined of a command. */
function nameIn(payload: Uint8Array): string | undefined {
  try {
    return channelNonce(headerOf(payload));
  } catch {
    return undefined;
  }
}
