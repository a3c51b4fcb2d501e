import { encodeAddress } from '@polkadot/util-crypto';
import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import type {
  Account,
  Call,
  ExtrinsicFacts,
  Fates,
  FollowOptions,
  Inclusion,
  PostOptions,
  SignedExtrinsic,
  SubmitOptions,
} from './submission.ts';
import { descendsFrom } from '../head/descends-from.ts';
import type { BlockId, Head } from '../head/head.ts';
import { backoffMs } from '../rpc/backoff.ts';
import { expectNumber } from '../rpc/expect.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import { fastToHex } from '../storage/fast-hex.ts';
import { checkTopic, encodeCalls, needsRoot } from './build-call.ts';
import { failed } from './dispatch-outcome.ts';
import { eraAt, neverInItsEra } from './era-at.ts';
import { StatusWatch } from './extrinsic-status.ts';
import { fatesOf } from './fates.ts';
import { Follower } from './follow.ts';
import { NonceOwner } from './nonce-owner.ts';
import { judge } from './pool-verdict.ts';
import { eraBlocks, signExtrinsic } from './sign-extrinsic.ts';
import type { SubmitSources } from './submit-sources.ts';

/** Refusals after which it is given up. */
const maxRefusals = 12;
/** Eras that may pass without it before an extrinsic is given up. */
const maxEras = 2;
/** Before the first new try after a refusal; doubles. */
const retryMs = 100;
/** Longest of these pauses. */
const maxRetryMs = 3_000;
/** For the answer of a node that was given an extrinsic, after its poster has stopped: what it refused is known to wait. */
const lastAnswerMs = 5_000;

interface Signing {
  readonly batch: 'all' | 'each';
  readonly nonce: number;
  readonly tip: bigint;
  readonly after: BlockId | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Signs and posts for the accounts of this process. */
export class Submitter {
  readonly #sources: SubmitSources;
  readonly #owners = new Map<Hex, NonceOwner>();
  /** What the node that took an extrinsic tells of it. */
  readonly #watches = new WeakMap<SignedExtrinsic, StatusWatch>();

  constructor(sources: SubmitSources) {
    this.#sources = sources;
  }

  async submit(calls: readonly Call[], account: Account, options: SubmitOptions): Promise<Inclusion> {
    for (let eras = 0, conflicts = 0; ;) {
      const extrinsic = await this.#postWithAnyNonce(calls, account, options);
      try {
        const inclusion = await this.follow(extrinsic, options);
        // The nonce is spent, and what was queued behind it stands.
        if (inclusion.failure !== undefined) throw inclusion.failure;
        return inclusion;
      } catch (error) {
        // Past its era, or where another has its nonce in a final block, it can not come in any more: only then is it signed anew.
        if (isRelayError(error, 'extrinsic-expired')) eras += 1;
        else if (isRelayError(error, 'nonce-conflict')) conflicts += 1;
        else throw error;
        if (conflicts >= maxRefusals) throw takenSoOften(conflicts, error);
        if (eras >= maxEras) throw error;
      }
    }
  }

  async post(calls: readonly Call[], account: Account, options: PostOptions): Promise<SignedExtrinsic> {
    if (calls.length === 0) throw new RelayError('no-calls');
    calls.forEach(checkTopic);
    const { signal } = options;
    if (calls.some(needsRoot) && !(await this.#sources.isSudo(account.id, signal)))
      throw new RelayError('sudo-required', { details: { account: account.id } });
    const owner = this.#ownerOf(account.id);
    return owner.exclusively(() => this.#post(calls, account, owner, options), signal);
  }

  fates(
    extrinsics: readonly ExtrinsicFacts[],
    before: Fates | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Fates> {
    return fatesOf(this.#sources, extrinsics, before, signal);
  }

  async follow(extrinsic: SignedExtrinsic, options: FollowOptions): Promise<Inclusion> {
    const owner = this.#ownerOf(extrinsic.account);
    owner.underWay(extrinsic.nonce);
    const watch = this.#watches.get(extrinsic);
    this.#watches.delete(extrinsic);
    try {
      return await new Follower(this.#sources, extrinsic, options).run(watch);
    } catch (error) {
      owner.forget();
      throw error;
    } finally {
      owner.settled(extrinsic.nonce);
    }
  }

  /** Where others submit from the account too, the node's word that a nonce is taken is believed: calls that may come twice. */
  async #postWithAnyNonce(calls: readonly Call[], account: Account, options: SubmitOptions): Promise<SignedExtrinsic> {
    const { clock, random } = this.#sources;
    for (let times = 1; ; times++)
      try {
        return await this.post(calls, account, options);
      } catch (error) {
        if (!isRelayError(error, 'nonce-conflict')) throw error;
        if (times >= maxRefusals) throw takenSoOften(times, error);
        await clock.sleep(backoffMs(times - 1, { minMs: retryMs, maxMs: maxRetryMs, random }), options.signal);
      }
  }

  #ownerOf(account: Hex): NonceOwner {
    let owner = this.#owners.get(account);
    if (owner === undefined) {
      owner = new NonceOwner(async (signal) => {
        const method = 'system_accountNextIndex';
        return expectNumber(
          await this.#sources.connection.request(method, [encodeAddress(account)], { signal }),
          method,
        );
      });
      this.#owners.set(account, owner);
    }
    return owner;
  }

  async #post(
    calls: readonly Call[],
    account: Account,
    owner: NonceOwner,
    { batch = 'all', tip = 0n, nonce: wanted, after, beforePost, signal }: PostOptions,
  ): Promise<SignedExtrinsic> {
    const { connection, clock, random, facts } = this.#sources;
    // One for all that is signed here: whatever a node does with what it refuses, a chain takes one of them.
    const nonce = wanted ?? (await owner.next(signal));
    let extrinsic: SignedExtrinsic | undefined;
    /** What was signed last was refused though its era was there: the same again is to end it. */
    let isUnexplained = false;
    for (let refusals = 1; ; refusals++) {
      if (extrinsic === undefined) {
        extrinsic = await this.#sign(calls, account, { batch, nonce, tip, after, signal });
        this.#checkSize(extrinsic);
        await beforePost?.(extrinsic);
      }
      const { socket } = await connection.session({ signal });
      try {
        const watch = await this.#answerOf(StatusWatch.post(socket, fastToHex(extrinsic.bytes)), signal);
        owner.underWay(nonce);
        if (watch !== undefined) this.#watches.set(extrinsic, watch);
        return extrinsic;
      } catch (error) {
        if (error instanceof ConnectionLost) {
          owner.underWay(nonce);
          return extrinsic;
        }
        if (!(error instanceof RpcError)) throw error;
        const verdict = judge(error);
        switch (verdict.kind) {
          case 'known':
            owner.underWay(nonce);
            return extrinsic;
          case 'refused':
            throw verdict.error;
          case 'cannot-pay':
            throw new RelayError('balance-too-low', {
              details: {
                account: account.id,
                free: await this.#sources.freeBalance(account.id, signal),
                token: facts.tokenSymbol,
              },
              cause: error,
            });
          case 'nonce-taken': {
            const fresh = await owner.resync(signal, verdict.stale ? undefined : nonce);
            if (verdict.stale && fresh <= nonce && calls.some(isSequenced)) throw sequenceUsed();
            throw new RelayError('nonce-conflict', { details: { account: account.id, nonce, times: 1 }, cause: error });
          }
          case 'sign-again': {
            const era = await eraAt(socket, extrinsic, signal);
            if (era === 'present' && isUnexplained)
              throw new RelayError('extrinsic-rejected', { details: { reason: error.reason }, cause: error });
            if (refusals >= maxRefusals) throw neverInItsEra(extrinsic, era, error);
            if (era === 'ahead')
              connection.distrust(socket.url, 'it has not got the block that an extrinsic is anchored on');
            if (era !== 'unknown') isUnexplained = era === 'present';
            extrinsic = undefined;
            break;
          }
          case 'full':
            if (refusals >= maxRefusals) throw new RelayError('pool-full', { cause: error });
        }
        await clock.sleep(backoffMs(refusals - 1, { minMs: retryMs, maxMs: maxRetryMs, random }), signal);
      }
    }
  }

  /** Of a node that was given an extrinsic. undefined: its poster waits no longer, and the node took it, or nobody knows. */
  async #answerOf(posted: Promise<StatusWatch>, signal: AbortSignal | undefined): Promise<StatusWatch | undefined> {
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

  async #sign(
    calls: readonly Call[],
    account: Account,
    { batch, nonce, tip, after, signal }: Signing,
  ): Promise<SignedExtrinsic> {
    const { heads, runtimes, facts } = this.#sources;
    const [finalized, best] = await Promise.all([heads.finalized({ signal }), heads.best({ signal })]);
    const anchor = await this.#anchor(finalized, best, signal);
    if (after !== undefined && !(await descendsFrom(anchor, after, (hash) => heads.byHash(hash, { signal }))))
      throw new RelayError('chain-forked', {
        details: { block: anchor.number, found: anchor.hash, seen: after.hash },
      });
    const runtime = await runtimes.of(best.hash, signal);
    const call = encodeCalls(runtime, calls, batch, facts);
    return signExtrinsic(call, account, { runtime, genesisHash: facts.genesisHash, anchor, nonce, tip });
  }

  /** Of the era: the newest finalized block, or one deep below the best where finality lags or never comes. */
  async #anchor(finalized: Head, best: Head, signal: AbortSignal | undefined): Promise<Head> {
    const deep = best.number - eraBlocks / 2;
    if (deep <= finalized.number) return finalized;
    return (await this.#sources.heads.at(deep, { signal })) ?? finalized;
  }

  #checkSize({ bytes: { length: bytes } }: SignedExtrinsic): void {
    const limit = this.#sources.maxExtrinsicBytes;
    if (bytes > limit)
      throw new RelayError('extrinsic-too-large', {
        details: { reason: `it has ${bytes} bytes, the chain takes ${limit}`, bytes, limit },
      });
  }
}

function takenSoOften(times: number, cause: RelayError): RelayError {
  return new RelayError('nonce-conflict', { details: { ...cause.details, times }, cause });
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
