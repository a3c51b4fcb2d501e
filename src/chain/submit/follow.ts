import { merge, type Observable } from 'rxjs';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { tell } from '../../signals/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { FollowOptions, Inclusion, SignedExtrinsic } from './submission.ts';
import type { Head } from '../head/head.ts';
import { LatestValue } from '../head/latest-value.ts';
import type { NewestHead } from '../head/newest-heads.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import type { Session } from '../rpc/connection.ts';
import { fastToHex } from '../storage/fast-hex.ts';
import { findInclusion } from './find-inclusion.ts';
import type { ExtrinsicStatus, StatusWatch } from './extrinsic-status.ts';
import { deepBlocks, settledNumber } from './settled-number.ts';
import type { SubmitSources } from './submit-sources.ts';

/** Best blocks without the extrinsic after which its bytes are posted again on the same connection, or without a word of its node. */
const patienceBlocks = 16;

interface Heads {
  readonly best: Head;
  readonly finalized: Head;
}

/**
 * Waits until an extrinsic is in a block. What its node reports is believed for a `finalized` or `inBlock` only; for all
 * else, `invalid` too, blocks are searched, and the same signed bytes (never others) are posted again: its nonce lets it in once.
 */
export class Follower {
  readonly #sources: SubmitSources;
  readonly #extrinsic: SignedExtrinsic;
  readonly #options: FollowOptions;
  readonly #hex: Hex;
  /** Blocks that do not have it, or of which no node has the body. */
  readonly #searched = new Set<Hex>();
  /** All finalized blocks up to here are of them. */
  #searchedTo: BlockNumber;
  /** Numbers of those without a body. */
  readonly #unseen = new Set<BlockNumber>();
  #inclusion: Inclusion | undefined;
  #posted: { readonly session: number; readonly best: number } | undefined;

  constructor(sources: SubmitSources, extrinsic: SignedExtrinsic, options: FollowOptions) {
    this.#sources = sources;
    this.#extrinsic = extrinsic;
    this.#searchedTo = extrinsic.anchor;
    this.#options = options;
    this.#hex = fastToHex(extrinsic.bytes);
  }

  /** Throws extrinsic-expired, nonce-conflict, fate-unknown, aborted, chain-unreachable. */
  async run(watch: StatusWatch | undefined): Promise<Inclusion> {
    return (watch === undefined ? undefined : await this.#believe(watch)) ?? this.#search();
  }

  get #signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  get #isPatient(): boolean {
    return this.#options.waitFor === 'finalized';
  }

  /** As long as its node tells of it. undefined: it tells no more, or nothing for many blocks. */
  async #believe(watch: StatusWatch): Promise<Inclusion | undefined> {
    const { newest$, connection } = this.#sources;
    using best = new LatestValue(newest$.best, () => connection.stopped.reason as unknown);
    let heard = (await best.next(this.#signal)).value.head.number;
    const silence = async (): Promise<ExtrinsicStatus> => {
      for (;;) {
        const until = heard + patienceBlocks;
        const { value } = await best.next(this.#signal, (told) => told.value.head.number >= until);
        if (value.head.number >= heard + patienceBlocks) return { kind: 'silent' };
      }
    };
    const silent = silence();
    silent.catch(() => undefined); // whoever loses the race is not awaited
    try {
      for (;;) {
        const status = await Promise.race([watch.next(this.#signal), silent]);
        if (status.kind !== 'silent') heard = (await best.next(this.#signal)).value.head.number;
        if (status.kind === 'inBlock' || status.kind === 'finalized') {
          if (status.block !== this.#inclusion?.blockHash) this.#include(await this.#findIn(status.block));
          if (this.#inclusion === undefined) return undefined;
          if (!this.#isPatient || status.kind === 'finalized') return this.#inclusion;
        } else if (status.kind === 'retracted' && status.block !== this.#inclusion?.blockHash) {
          continue;
        } else {
          // A node may put it back into its pool after a reorg, or not.
          if (status.kind === 'retracted') this.#include(undefined);
          return undefined;
        }
      }
    } finally {
      watch.end();
    }
  }

  async #search(): Promise<Inclusion> {
    const { connection, newest$ } = this.#sources;
    const both$: Observable<NewestHead> = merge(newest$.best, newest$.finalized);
    using newest = new LatestValue(both$, () => connection.stopped.reason as unknown);
    for (let seen = 0; ;) {
      const { version } = await newest.next(this.#signal, (candidate) => candidate.version > seen);
      seen = version;
      const done = await this.#look();
      if (done !== undefined) return done;
    }
  }

  async #look(): Promise<Inclusion | undefined> {
    const { heads, connection } = this.#sources;
    const options = { signal: this.#signal };
    const [finalized, best] = await Promise.all([heads.finalized(options), heads.best(options)]);
    await this.#checkInclusion();
    if (this.#inclusion === undefined) this.#include(await this.#scan({ best, finalized }));
    if (this.#inclusion !== undefined) {
      const isDone = !this.#isPatient || this.#inclusion.blockNumber <= finalized.number;
      return isDone ? this.#inclusion : undefined;
    }
    await this.#checkLife({ best, finalized });
    const session = await connection.session(options);
    if (!this.#isDue(session, best)) return undefined;
    this.#posted = { session: session.id, best: best.number };
    await this.#postAgain(session);
    return undefined;
  }

  /** A block that carried it may not be of the chain any more. */
  async #checkInclusion(): Promise<void> {
    if (this.#inclusion === undefined) return;
    const { blockNumber, blockHash } = this.#inclusion;
    const canonical = await this.#sources.heads.at(blockNumber, { signal: this.#signal });
    if (canonical?.hash !== blockHash) this.#include(undefined);
  }

  /** Of what is final or deep none is left out: a node that lacks it is behind, and is waited for or left. */
  async #scan({ best, finalized }: Heads): Promise<Inclusion | undefined> {
    const { heads } = this.#sources;
    const { death } = this.#extrinsic;
    const options = { signal: this.#signal };
    const settled = settledNumber({ finalized, best });
    for (let number = this.#searchedTo + 1; number <= Math.min(best.number, death); number++) {
      const head = number <= settled ? await heads.existingAt(number, options) : await heads.at(number, options);
      if (head === undefined) continue;
      const inclusion = this.#searched.has(head.hash) ? undefined : await this.#findIn(head.hash, number);
      if (inclusion !== undefined) return inclusion;
      this.#searched.add(head.hash);
      if (number <= finalized.number && number === this.#searchedTo + 1) this.#searchedTo = number;
    }
    return undefined;
  }

  /** Throws where no block can take it any more. Finality may lag for long or never come; deep is as good then. */
  async #checkLife({ best, finalized }: Heads): Promise<void> {
    const { account, nonce, death } = this.#extrinsic;
    if (await this.#isSuperseded(finalized))
      throw this.#outOfSight() ?? new RelayError('nonce-conflict', { details: { account, nonce, times: 1 } });
    if (finalized.number >= death || best.number >= death + deepBlocks) {
      const { hash } = finalized.number >= death ? finalized : best;
      const isNonceUsed = this.#unseen.size > 0 && (await this.#sources.nonceAt(account, hash, this.#signal)) > nonce;
      throw (
        (isNonceUsed ? this.#outOfSight() : undefined) ??
        new RelayError('extrinsic-expired', { details: { block: death } })
      );
    }
  }

  /** The error where blocks that no node has any more may have carried it. */
  #outOfSight(): RelayError | undefined {
    if (this.#unseen.size === 0) return undefined;
    const { hash } = this.#extrinsic;
    const numbers = [...this.#unseen];
    const details = { what: `extrinsic ${hash}`, first: Math.min(...numbers), last: Math.max(...numbers) };
    return new RelayError('fate-unknown', { details });
  }

  #isDue({ id }: Session, best: Head): boolean {
    if (this.#posted === undefined) return true;
    return this.#posted.session !== id || best.number >= this.#posted.best + patienceBlocks;
  }

  /** Whatever the node says to it: only blocks tell that it can't come in. */
  async #postAgain({ socket }: Session): Promise<void> {
    try {
      await socket.request('author_submitExtrinsic', [this.#hex], { signal: this.#signal });
    } catch (error) {
      throwIfAborted(this.#signal);
      if (!(error instanceof RpcError) && !(error instanceof ConnectionLost)) throw error;
    }
  }

  /** Whether a finalized block has another extrinsic with this nonce: then this one is dead before its era ends. */
  async #isSuperseded(finalized: Head): Promise<boolean> {
    const { account, nonce, death } = this.#extrinsic;
    if (this.#searchedTo < Math.min(finalized.number, death)) return false;
    return (await this.#sources.nonceAt(account, finalized.hash, this.#signal)) > nonce;
  }

  async #findIn(block: Hex, number?: BlockNumber): Promise<Inclusion | undefined> {
    const body = await this.#sources.bodyOf(block, this.#signal);
    if (body === undefined) {
      if (number !== undefined) this.#unseen.add(number);
      return undefined;
    }
    const storage = this.#sources.storageAt(block);
    return findInclusion(storage, body, { extrinsic: this.#extrinsic, hex: this.#hex }, this.#signal);
  }

  #include(inclusion: Inclusion | undefined): void {
    if (inclusion?.blockHash === this.#inclusion?.blockHash) return;
    this.#inclusion = inclusion;
    if (inclusion === undefined) this.#posted = undefined;
    tell(() => this.#options.onInclusion?.(inclusion));
  }
}
