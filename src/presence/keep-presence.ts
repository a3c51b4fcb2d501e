import { Subject, type Observable } from 'rxjs';
import {
  systemClock,
  type Account,
  type BlockNumber,
  type Chain,
  type Clock,
  type WorkerRecord,
} from '../chain/index.ts';
import { equalBytes } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { KeptEntry } from './kept-entry.ts';
import { publishAgain } from './publish.ts';
import { replaceEpoch } from './rotate.ts';
import { rotationDue } from './rotation-due.ts';

export interface KeepPresenceOptions {
  readonly chain: Chain;
  readonly vault: Vault;
  /** Of the entity, for this chain: which lists its entry has had. */
  readonly store: TransactionalStore;
  /** Pays for publishing. Without it what is due is told and not done. */
  readonly account?: Account;
  /** Age of an EcdhKey at which the next one takes its place, ms; 0: never. Default 30 days, spread by a tenth. */
  readonly rotateEveryMs?: number;
  /** How long a retired EcdhKey still opens messages before it is erased, ms. Default 30 days. */
  readonly keepEpochsMs?: number;
  /**
   * Asked before retired EcdhKeys are erased: those to which something is sealed that waits, or undefined while that is not
   * known, as until the backlog is read. Default: none.
   */
  readonly keysInUse?: () => Promise<EcdhKeysInUse | undefined>;
  readonly clock?: Clock;
}

/** Public keys, 32 bytes each. They and newer ones stay. */
export interface EcdhKeysInUse {
  /** For as long as it takes. */
  readonly needed: readonly Uint8Array[];
  /** For another `keepEpochsMs` at most: anybody can send what waits for them. undefined: it may be any. */
  readonly wanted: readonly Uint8Array[] | undefined;
}

export type PresenceEvent =
  /** A new epoch is finalized on chain and preferred. */
  | { readonly type: 'rotated'; readonly epoch: number; readonly block: number }
  /** Retired epochs whose time was over. */
  | { readonly type: 'erased'; readonly epochs: readonly number[] }
  /** Somebody had brought an older endpoint list of this entity back; the newest one stands again. */
  | { readonly type: 'republished'; readonly urls: readonly string[]; readonly block: number }
  /** Something is due that only an account can pay for. */
  | { readonly type: 'due'; readonly what: 'rotation' | 'republication' }
  /** It did not work, and is tried again. */
  | { readonly type: 'failed'; readonly error: RelayError };

/** Keeps an entity's own entry on chain as its owner wants it. */
export interface Presence extends AsyncDisposable {
  /** From the call on that made it; completes when it is stopped. */
  readonly events$: Observable<PresenceEvent>;
  /** Resolves when all that is due at the start was done, told or failed. */
  readonly settled: Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

const day = 86_400_000;
const defaults = { rotateEveryMs: 30 * day, keepEpochsMs: 30 * day };
/** Between two looks at the clock: it may be set, and another process may rotate. */
const lookMs = 3_600_000;
/** After a failure, doubled with each one up to `lookMs`. */
const retryMs = 10_000;

/**
 * Rotates when it is time, erases retired epochs when their time is over, and publishes again where somebody replayed an
 * older endpoint payload. Several processes of one entity may do so at once: they share the vault's file, and what one did the
 * others find done. Restart-safe: each step is found as it was left (docs/rotation.md).
 */
export function keepPresence(options: KeepPresenceOptions): Presence {
  return new Keeper(options);
}

class Keeper implements Presence {
  readonly settled: Promise<void>;
  readonly #options: KeepPresenceOptions & typeof defaults & { readonly clock: Clock };
  readonly #entry: KeptEntry;
  readonly #events$ = new Subject<PresenceEvent>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;
  /** What was said to be due: once is enough. */
  readonly #told = new Set<string>();
  #turn: Promise<void> = Promise.resolve();
  /** The block that was looked at first: what stood in those before it came before that. */
  #begunAt: BlockNumber = 0;

  constructor(options: KeepPresenceOptions) {
    this.#options = { ...defaults, clock: systemClock, ...options };
    const { chain, vault, store } = options;
    this.#entry = new KeptEntry({ chain, vault, store, signal: this.#stopping.signal });
    const first = this.#attempt(() => this.#beginEntry()).then(() => this.#attempt(() => this.#checkAge()));
    this.settled = first.then(() => undefined);
    this.#running = Promise.all([this.#watchClock(first), this.#watchEntry()]);
  }

  get events$(): Observable<PresenceEvent> {
    return this.#events$.asObservable();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new RelayError('aborted'));
    await this.#running;
    await this.#turn;
    this.#events$.complete();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #watchClock(first: Promise<boolean>): Promise<void> {
    const { clock, vault, rotateEveryMs } = this.#options;
    const { signal } = this.#stopping;
    let failures = (await first) ? 0 : 1;
    for (;;) {
      const due = await vault
        .ecdhKeys()
        .then((keys) => rotationDue(vault.identity, keys, rotateEveryMs))
        .catch(() => 0);
      const untilDue = Math.min(Math.max(due - clock.now(), 0), lookMs);
      // What only an account could do is looked at again when it may have been done elsewhere.
      const isWaiting = this.#options.account === undefined && untilDue === 0;
      const wait = failures > 0 ? pauseAfter(failures) : isWaiting ? lookMs : untilDue;
      await clock.sleep(wait, signal).catch(() => undefined);
      if (signal.aborted) return;
      failures = (await this.#attempt(() => this.#checkAge())) ? 0 : failures + 1;
    }
  }

  /** Every finalized block, as far as this entity goes: its entry is one read. Heads that fail are taken up again after a pause. */
  async #watchEntry(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 1; !signal.aborted; failures += 1) {
      const begun = clock.now();
      try {
        await this.#followEntry();
        return;
      } catch (error) {
        this.#fail(error);
      }
      if (clock.now() - begun > lookMs) failures = 1;
      await clock.sleep(pauseAfter(failures), signal).catch(() => undefined);
    }
  }

  /** Returns when heads end, as they do when this or the chain is stopped. */
  async #followEntry(): Promise<void> {
    const { chain, clock } = this.#options;
    const { signal } = this.#stopping;
    let last = '';
    let failures = 0;
    let notBefore = 0;
    for await (const { type, head } of chain.headEvents({}, signal)) {
      if (type === 'retracted') {
        // Who made it up may have been who told of the first one too.
        this.#begunAt = 0;
        continue;
      }
      const record = await this.#entry.at(head).catch(() => undefined);
      const now = JSON.stringify(record?.endpoints ?? []);
      if (now === last || clock.now() < notBefore) continue;
      const isDone = await this.#attempt(async () => {
        // Each list in its turn, however far the chain has gone meanwhile: a replay may have followed it at once.
        if (record !== undefined && head.number > this.#begunAt) await this.#entry.note(record);
        await this.#checkEntry();
      });
      failures = isDone ? 0 : failures + 1;
      if (isDone) last = now;
      else notBefore = clock.now() + pauseAfter(failures);
    }
  }

  /** One after the other: both publish. False where it failed, which is told. */
  #attempt(step: () => Promise<void>): Promise<boolean> {
    const result = this.#turn.then(async () => {
      if (this.#stopping.signal.aborted) return true;
      try {
        await step();
        return true;
      } catch (error) {
        this.#fail(error);
        return false;
      }
    });
    this.#turn = result.then(() => undefined);
    return result;
  }

  async #checkAge(): Promise<void> {
    const { vault, clock, keepEpochsMs, rotateEveryMs, chain, account } = this.#options;
    const { signal } = this.#stopping;
    await this.#erase(clock.now() - keepEpochsMs);
    const keys = await vault.ecdhKeys();
    const current = keys.find(({ state }) => state === 'current');
    if (current === undefined || rotationDue(vault.identity, keys, rotateEveryMs) > clock.now()) return;
    if (account === undefined) {
      this.#tellOnce('rotation');
      return;
    }
    const rotation = await replaceEpoch({ chain, vault, account, signal }, current.epoch);
    if (rotation === undefined) return;
    await this.#entry.notePublished(rotation);
    this.#emit({ type: 'rotated', epoch: rotation.epoch, block: rotation.blockNumber });
  }

  async #erase(retiredBefore: number): Promise<void> {
    const { vault, keepEpochsMs, keysInUse = async () => ({ needed: [], wanted: [] }) } = this.#options;
    const isDue = (await vault.ecdhKeys()).some(({ retiredAt = Infinity }) => retiredAt <= retiredBefore);
    const inUse = isDue ? await keysInUse() : undefined;
    if (inUse === undefined) return;
    const keys = await vault.ecdhKeys();
    const before = (those: readonly Uint8Array[] = keys.map(({ publicKey }) => publicKey)): number => {
      const present = keys.filter(({ publicKey }) => those.some((key) => equalBytes(key, publicKey)));
      return Math.min(...present.map(({ retiredAt = Infinity }) => retiredAt)) - 1;
    };
    const latest = Math.max(before(inUse.wanted), retiredBefore - keepEpochsMs);
    const epochs = await vault.erase({ retiredBefore: Math.min(retiredBefore, before(inUse.needed), latest) });
    if (epochs.length > 0) this.#emit({ type: 'erased', epochs });
  }

  async #beginEntry(): Promise<void> {
    const { chain } = this.#options;
    const head = await chain.finalizedHead(this.#stopping.signal);
    const record = await this.#entry.at(head);
    this.#begunAt = head.number;
    if (record !== undefined) await this.#entry.note(record);
    await this.#restore(record);
  }

  async #checkEntry(): Promise<void> {
    await this.#restore(await this.#entry.at());
  }

  /** Publishes what the owner wants, where something older stands in its place. */
  async #restore(record: WorkerRecord | undefined): Promise<void> {
    const { chain, vault, account } = this.#options;
    const urls = record === undefined ? undefined : await this.#entry.wantedInsteadOf(record);
    if (urls === undefined) return;
    if (account === undefined) {
      this.#tellOnce('republication');
      return;
    }
    const { signal } = this.#stopping;
    const inclusion = await publishAgain({ chain, vault, account, finality: 'finalized', signal }, urls);
    await this.#entry.notePublished(inclusion);
    this.#emit({ type: 'republished', urls, block: inclusion.blockNumber });
  }

  #tellOnce(what: 'rotation' | 'republication'): void {
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#emit({ type: 'due', what });
  }

  /** What ends because the keeper is stopped is no failure. */
  #fail(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#emit({ type: 'failed', error: asRelayError(error, 'rpc-failed', { method: 'presence' }) });
  }

  #emit(event: PresenceEvent): void {
    this.#events$.next(event);
  }
}

function pauseAfter(failures: number): number {
  return Math.min(retryMs * 2 ** (failures - 1), lookMs);
}
