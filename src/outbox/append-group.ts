import { nextNonce, nonceValue, type NonceClock } from '../channel/nonce-source.ts';
import { toHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { onAbort } from '../signals/index.ts';
import { lastNumber, rangeOf, storeKey } from '../store/keys.ts';
import type { Expectation, TransactionalStore, Write } from '../store/transactional-store.ts';
import type { MessageRecord } from './message-record.ts';
import { messageWrite, placeWrite } from './outbox-change.ts';
import { appendedKey, prefixes, present } from './outbox-keys.ts';
import type { Route } from './route.ts';
import type { SendId } from './send-id.ts';

/** One transaction appends so many messages, … */
const greatestGroup = 256;
/** … or so many bytes of them, or one that is larger. */
const greatestBytes = 2 ** 22;

export interface NewMessage {
  readonly record: MessageRecord;
  /** As the vault keeps it, or a command as it was sealed. */
  readonly body: Uint8Array;
  readonly route: Route;
}

/** A message that is to be appended, made when its nonce is known. */
export interface Newcomer {
  /** Where its channel's last nonce is. undefined: it has one, or needs none. */
  readonly nonces?: { /** `nonceKey` of the channel. */ readonly key: Uint8Array; readonly clock: NonceClock };
  /** About as large as it will be. */
  readonly bytes: number;
  /** `nonce`: 0 where it takes none. May be called again, with another one. */
  readonly make: (nonce: bigint) => Promise<NewMessage>;
}

export interface Appended {
  readonly sendId: SendId;
  /** 0 where it takes none. */
  readonly nonce: bigint;
}

interface Waiting extends Newcomer {
  isReady: boolean;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

/** Of one that waits: the message with its nonce, or why there is none. */
type Attempt = { readonly waiting: Waiting } & (
  { readonly message: NewMessage; readonly nonce: bigint } | { readonly error: unknown }
);

/**
 * Appends messages to the queue in a store, those that come at the same time in one transaction: each of them alone would
 * make all others begin anew. Safe against other processes that append. Messages of a channel keep the order of the calls.
 */
export class AppendGroup {
  readonly #store: TransactionalStore;
  readonly #waiting: Waiting[] = [];
  /** By channel: what is not ready, and what came after it. */
  readonly #lines = new Map<string, Waiting[]>();
  #isRunning = false;
  /** Fewer where another process was first, or a transaction failed. */
  #most = greatestGroup;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  /**
   * `ready`: rejects where it may not be appended. Throws what that, `make` or the store throws, and aborted where the signal
   * fires while it waits: it is not appended then, and holds up none of those behind it.
   */
  add(newcomer: Newcomer, ready: Promise<unknown> = Promise.resolve(), signal?: AbortSignal): Promise<Appended> {
    return new Promise<Appended>((resolve, reject) => {
      let off: (() => void) | undefined;
      const waiting: Waiting = {
        ...newcomer,
        isReady: false,
        resolve: (appended) => {
          off?.();
          resolve(appended);
        },
        reject: (error) => {
          off?.();
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
          reject(error);
        },
      };
      const name = newcomer.nonces && toHex(newcomer.nonces.key);
      const line = (name === undefined ? undefined : this.#lines.get(name)) ?? [];
      line.push(waiting);
      if (name !== undefined) this.#lines.set(name, line);
      const goOn = (): void => {
        while (line[0]?.isReady === true) this.#waiting.push(...line.splice(0, 1));
        if (name !== undefined && line.length === 0 && this.#lines.get(name) === line) this.#lines.delete(name);
        if (!this.#isRunning) void this.#run();
      };
      const leave = (error: unknown): void => {
        if (takeOut(waiting, line) || takeOut(waiting, this.#waiting)) waiting.reject(error);
      };
      const abort = (): void => {
        leave(new RelayError('aborted'));
        // Later: the same signal may be that of those behind it.
        queueMicrotask(goOn);
      };
      void ready
        .then(() => {
          waiting.isReady = true;
        }, leave)
        .then(goOn);
      if (signal?.aborted === true) abort();
      else off = signal && onAbort(signal, abort);
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) await this.#append(this.#take());
    this.#isRunning = false;
  }

  #take(): Waiting[] {
    let [count, bytes] = [0, 0];
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count === this.#most || (count > 0 && bytes > greatestBytes)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #append(group: readonly Waiting[]): Promise<void> {
    try {
      if (await this.#tryAppend(group)) {
        this.#most = Math.min(greatestGroup, this.#most * 2);
        return;
      }
      // Another process was first: a smaller group is quicker.
      this.#most = Math.ceil(group.length / 2);
      this.#waiting.unshift(...group);
    } catch (error) {
      const [first, ...others] = group;
      // Of many it may be the fault of one.
      this.#most = 1;
      if (others.length > 0) this.#waiting.unshift(...group);
      else first?.reject(error);
    }
  }

  /** False where another process was first, and nothing was written. */
  async #tryAppend(group: readonly Waiting[]): Promise<boolean> {
    // First: who appends after this changes it.
    const appended = await this.#store.get(appendedKey);
    const [last] = await this.#store.entries({ ...rangeOf(prefixes.used), reverse: true, limit: 1 });
    const { taken, writes, expected } = await this.#takeNonces(group);
    const attempts = await Promise.all(group.map((waiting, n) => attempt(waiting, taken[n] ?? 0n)));
    const first = last === undefined ? 0n : lastNumber(last[0]) + 1n;
    let next = first;
    for (const each of attempts) if ('message' in each) writes.push(...messageWrites(next++, each.message));
    if (next > first) {
      writes.push({ key: usedKey(next - 1n), value: present }, { key: appendedKey, value: storeKey(next) });
      if (last !== undefined) writes.push({ key: last[0], value: undefined });
      expected.push({ key: usedKey(first), value: undefined }, { key: appendedKey, value: appended });
      if (!(await this.#store.commit(writes, expected))) return false;
    }
    let sendId = first;
    for (const each of attempts)
      if ('message' in each) each.waiting.resolve({ sendId: sendId++, nonce: each.nonce });
      else each.waiting.reject(each.error);
    return true;
  }

  /** Of each its nonce, with what makes them durable. */
  async #takeNonces(group: readonly Waiting[]) {
    const keys = new Map<string, Uint8Array>();
    for (const { nonces } of group) if (nonces !== undefined) keys.set(toHex(nonces.key), nonces.key);
    const expected: Expectation[] = await Promise.all(
      Array.from(keys.values(), async (key) => ({ key, value: await this.#store.get(key) })),
    );
    const last = new Map(expected.map(({ key, value }) => [toHex(key), value]));
    const taken = group.map(({ nonces }) => {
      if (nonces === undefined) return 0n;
      const name = toHex(nonces.key);
      const nonce = nextNonce(last.get(name), nonces.clock);
      last.set(name, nonceValue(nonce));
      return nonce;
    });
    const writes: Write[] = expected.map(({ key }) => ({ key, value: last.get(toHex(key)) }));
    return { taken, writes, expected };
  }
}

const groups = new WeakMap<TransactionalStore, AppendGroup>();

/** One for all that append to a store. */
export function appendGroupOf(store: TransactionalStore): AppendGroup {
  const known = groups.get(store);
  if (known !== undefined) return known;
  const made = new AppendGroup(store);
  groups.set(store, made);
  return made;
}

/** False where it is not among them. */
function takeOut(waiting: Waiting, among: Waiting[]): boolean {
  const place = among.indexOf(waiting);
  return place >= 0 && among.splice(place, 1).length > 0;
}

async function attempt(waiting: Waiting, nonce: bigint): Promise<Attempt> {
  try {
    return { waiting, message: await waiting.make(nonce), nonce };
  } catch (error) {
    return { waiting, error };
  }
}

function usedKey(id: SendId): Uint8Array {
  return storeKey(prefixes.used, id);
}

function messageWrites(id: SendId, { record, body, route }: NewMessage): Write[] {
  return [
    messageWrite(id, record),
    { key: storeKey(prefixes.body, id), value: body },
    placeWrite(route, { id, record }),
  ];
}
