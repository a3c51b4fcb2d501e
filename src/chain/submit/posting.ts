import { RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import { backoffMs } from '../rpc/backoff.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import type { RpcSocket } from '../rpc/rpc-socket.ts';
import { maxExtrinsicBytes } from '../runtime/block-limits.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { fastToHex } from '../storage/fast-hex.ts';
import { encodeCalls } from './build-call.ts';
import { failed } from './dispatch-outcome.ts';
import { eraAt, neverInItsEra } from './era-at.ts';
import { StatusWatch } from './extrinsic-status.ts';
import type { NonceOwner } from './nonce-owner.ts';
import { judge, type PoolVerdict } from './pool-verdict.ts';
import { maxRefusals, refusalPauses } from './refusal-limits.ts';
import { signExtrinsic } from './sign-extrinsic.ts';
import { signingBlocks } from './signing-blocks.ts';
import type { Account, Call, PostOptions, SignedExtrinsic } from './submission.ts';
import type { SubmitSources } from './submit-sources.ts';

/** For the answer of a node that was given an extrinsic, after its poster has stopped: what it refused is known to wait. */
const lastAnswerMs = 5_000;

/** An extrinsic that a node took, or may have. */
export interface Posted {
  readonly extrinsic: SignedExtrinsic;
  /** What the node that took it tells of it; undefined where none does. */
  readonly watch?: StatusWatch | undefined;
}

export interface PostingOptions extends Omit<PostOptions, 'nonce'> {
  /** Of all that is signed here: whatever a node does with what it refuses, a chain takes one of them. */
  readonly nonce: number;
}

/** Calls on their way to a node as one extrinsic: signed with one nonce, and anew where a node refused what was signed for its age. */
export class Posting {
  readonly #sources: SubmitSources;
  readonly #owner: NonceOwner;
  readonly #calls: readonly Call[];
  readonly #account: Account;
  readonly #options: PostingOptions;
  /** Signed last, as long as the same bytes may be given to a node again. */
  #extrinsic: SignedExtrinsic | undefined;
  /** What was signed last was refused though its era was there: the same again is to end it. */
  #isUnexplained = false;

  constructor(
    sources: SubmitSources,
    owner: NonceOwner,
    calls: readonly Call[],
    account: Account,
    options: PostingOptions,
  ) {
    this.#sources = sources;
    this.#owner = owner;
    this.#calls = calls;
    this.#account = account;
    this.#options = options;
  }

  /** Until a node has it, or may have. Throws what Chain.post says. */
  async run(): Promise<Posted> {
    const { connection, clock, random } = this.#sources;
    const { signal } = this.#options;
    for (let refusals = 1; ; refusals++) {
      const extrinsic = (this.#extrinsic ??= await this.#sign());
      const { socket } = await connection.session({ signal });
      try {
        return { extrinsic, watch: await this.#answerOf(StatusWatch.post(socket, fastToHex(extrinsic.bytes))) };
      } catch (error) {
        if (error instanceof ConnectionLost) return { extrinsic };
        if (!(error instanceof RpcError)) throw error;
        const verdict = judge(error);
        if (verdict.kind === 'known') return { extrinsic };
        await this.#refused(verdict, { extrinsic, socket, error, refusals });
      }
      await clock.sleep(backoffMs(refusals - 1, { ...refusalPauses, random }), signal);
    }
  }

  /** Throws what ends it; else it goes on, with the same bytes or with others. */
  async #refused(verdict: Exclude<PoolVerdict, { readonly kind: 'known' }>, refusal: Refusal): Promise<void> {
    const { error, refusals } = refusal;
    switch (verdict.kind) {
      case 'refused':
        throw verdict.error;
      case 'cannot-pay':
        throw await this.#balanceTooLow(error);
      case 'nonce-taken':
        throw await this.#nonceTaken(verdict.stale, error);
      case 'sign-again':
        await this.#explain(refusal);
        this.#extrinsic = undefined;
        return;
      case 'full':
        if (refusals >= maxRefusals) throw new RelayError('pool-full', { cause: error });
    }
  }

  async #balanceTooLow(cause: RpcError): Promise<RelayError> {
    const { tokenSymbol: token } = this.#sources.facts;
    const { id: account } = this.#account;
    const free = await this.#sources.freeBalance(account, this.#options.signal);
    return new RelayError('balance-too-low', { details: { account, free, token }, cause });
  }

  async #nonceTaken(isStale: boolean, cause: RpcError): Promise<RelayError> {
    const { nonce, signal } = this.#options;
    const fresh = await this.#owner.resync(signal, isStale ? undefined : nonce);
    if (isStale && fresh <= nonce && this.#calls.some(isSequenced)) return sequenceUsed();
    return new RelayError('nonce-conflict', { details: { account: this.#account.id, nonce, times: 1 }, cause });
  }

  /** Throws where signing it again would not help. */
  async #explain({ extrinsic, socket, error, refusals }: Refusal): Promise<void> {
    const era = await eraAt(socket, extrinsic, this.#options.signal);
    if (era === 'present' && this.#isUnexplained)
      throw new RelayError('extrinsic-rejected', { details: { reason: error.reason }, cause: error });
    if (refusals >= maxRefusals) throw neverInItsEra(extrinsic, era, error);
    if (era === 'ahead')
      this.#sources.connection.distrust(socket.url, 'it has not got the block that an extrinsic is anchored on');
    if (era !== 'unknown') this.#isUnexplained = era === 'present';
  }

  /** Of a node that was given an extrinsic. undefined: its poster waits no longer, and the node took it, or nobody knows. */
  async #answerOf(posted: Promise<StatusWatch>): Promise<StatusWatch | undefined> {
    const { signal } = this.#options;
    try {
      return await abortable(posted, signal);
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
    posted.then(
      (watch) => {
        watch.end();
      },
      () => undefined,
    );
    const answered = new AbortController();
    const patience = this.#sources.clock.sleep(lastAnswerMs, answered.signal).catch(() => undefined);
    try {
      await Promise.race([posted, patience]);
    } finally {
      answered.abort();
    }
    return undefined;
  }

  async #sign(): Promise<SignedExtrinsic> {
    const { heads, runtimes, facts } = this.#sources;
    const { batch = 'all', nonce, tip = 0n, after, beforePost, signal } = this.#options;
    const { anchor, best } = await signingBlocks(heads, after, signal);
    const runtime = await runtimes.of(best.hash, signal);
    const call = encodeCalls(runtime, this.#calls, batch, facts);
    const { genesisHash } = facts;
    const extrinsic = signExtrinsic(call, this.#account, { runtime, genesisHash, anchor, nonce, tip });
    this.#checkSize(extrinsic, runtime);
    await beforePost?.(extrinsic);
    return extrinsic;
  }

  #checkSize({ bytes: { length: bytes } }: SignedExtrinsic, runtime: Runtime): void {
    const limit = maxExtrinsicBytes(runtime);
    if (bytes > limit)
      throw new RelayError('extrinsic-too-large', {
        details: { reason: `it has ${bytes} bytes, the chain takes ${limit}`, bytes, limit },
      });
  }
}

/** What a node said of an extrinsic, after so many refusals. */
interface Refusal {
  readonly extrinsic: SignedExtrinsic;
  readonly socket: RpcSocket;
  readonly error: RpcError;
  readonly refusals: number;
}

function isSequenced({ kind }: Call): boolean {
  return kind === 'sync-offchain-message';
}

/**
 * The nonce is the next one, and yet the pool calls the extrinsic stale: so CheckMqSequence did, of a worker's message
 * whose sequence is used. It is what PhalaMq.BadSequence says inside a batch. Of other calls a reorg has given the nonce back
 * between the two answers, or they are of two nodes.
 */
function sequenceUsed(): RelayError {
  return failed({ pallet: 'PhalaMq', error: 'BadSequence', docs: 'the sequence was used before.' });
}
