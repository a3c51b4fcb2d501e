import type { GenericCall } from '@polkadot/types';
import { encodeAddress } from '@polkadot/util-crypto';
import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { aborted } from '../abort.ts';
import type { Account, Call, Head, Inclusion, SubmitOptions } from '../chain.ts';
import { backoffMs } from '../rpc/backoff.ts';
import { expectNumber } from '../rpc/expect.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { buildCall, checkTopic, make, needsRoot } from './build-call.ts';
import { failed } from './dispatch-outcome.ts';
import { StatusWatch } from './extrinsic-status.ts';
import { follow } from './follow.ts';
import { NonceOwner } from './nonce-owner.ts';
import { judge } from './pool-verdict.ts';
import { eraBlocks, signExtrinsic, type SignedExtrinsic } from './sign-extrinsic.ts';
import type { SubmitSources } from './submit-sources.ts';

/** Refusals of one extrinsic after which it is given up. */
const maxRefusals = 12;
/** Eras that may pass without it before an extrinsic is given up. */
const maxEras = 2;
/** Before the first new try after a refusal; doubles. */
const retryMs = 100;
/** Longest of these pauses. */
const maxRetryMs = 3_000;

interface Posted {
  readonly extrinsic: SignedExtrinsic;
  /** undefined where nobody knows whether the node took it. */
  readonly watch: StatusWatch | undefined;
}

/** Signs and posts for the accounts of this process. */
export class Submitter {
  readonly #sources: SubmitSources;
  readonly #owners = new Map<Hex, NonceOwner>();

  constructor(sources: SubmitSources) {
    this.#sources = sources;
  }

  async submit(calls: readonly Call[], account: Account, options: SubmitOptions): Promise<Inclusion> {
    if (calls.length === 0) throw new RelayError('no-calls');
    calls.forEach(checkTopic);
    const { signal } = options;
    if (calls.some(needsRoot) && !(await this.#sources.isSudo(account.id, signal)))
      throw new RelayError('sudo-required', { details: { account: account.id } });
    const owner = this.#ownerOf(account.id);
    const finality = options.waitFor === 'finalized' ? 'finalized' : 'best';
    for (let era = 1; ; era++) {
      const { extrinsic, watch } = await owner.exclusively(
        () => this.#post(calls, account, owner, options.batch ?? 'all', signal),
        signal,
      );
      try {
        return await follow(this.#sources, extrinsic, watch, finality, signal);
      } catch (error) {
        // The chain itself refused: the nonce is spent, and what was queued behind it stands.
        if (!isRelayError(error, 'dispatch-failed')) owner.forget();
        // Past its era it can not come in any more: only then is it signed anew.
        if (!isRelayError(error, 'extrinsic-expired') || era >= maxEras) throw error;
      } finally {
        owner.settled(extrinsic.nonce);
      }
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
    batch: 'all' | 'each',
    signal: AbortSignal | undefined,
  ): Promise<Posted> {
    const { connection, heads, runtimes, clock, random, facts } = this.#sources;
    for (let refusals = 1; ; refusals++) {
      const [finalized, best, nonce] = await Promise.all([
        heads.finalized({ signal }),
        heads.best({ signal }),
        owner.next(signal),
      ]);
      const anchor = await this.#anchor(finalized, best, signal);
      const runtime = await runtimes.of(best.hash, signal);
      const call = this.#wrap(runtime, calls, batch);
      const extrinsic = signExtrinsic(call, account, { runtime, genesisHash: facts.genesisHash, anchor, nonce });
      this.#checkSize(extrinsic);
      const { socket } = await connection.session({ signal });
      try {
        const watch = await StatusWatch.post(socket, extrinsic.hex);
        owner.used(nonce);
        if (signal?.aborted === true) {
          // Posted, but nobody waits for it any more.
          watch.end();
          owner.settled(nonce);
          throw aborted(signal);
        }
        return { extrinsic, watch };
      } catch (error) {
        if (error instanceof ConnectionLost) {
          owner.used(nonce);
          return { extrinsic, watch: undefined };
        }
        if (!(error instanceof RpcError)) throw error;
        const verdict = judge(error);
        switch (verdict.kind) {
          case 'known':
            owner.used(nonce);
            return { extrinsic, watch: undefined };
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
            if (verdict.stale && fresh <= nonce) throw outdated(calls, error);
            if (refusals >= maxRefusals)
              throw new RelayError('nonce-conflict', {
                details: { account: account.id, nonce, times: refusals },
                cause: error,
              });
            break;
          }
          case 'sign-again':
            if (refusals >= 2)
              throw new RelayError('extrinsic-rejected', { details: { reason: error.reason }, cause: error });
            break;
          case 'full':
            if (refusals >= maxRefusals) throw new RelayError('pool-full', { cause: error });
        }
        await clock.sleep(backoffMs(refusals - 1, { minMs: retryMs, maxMs: maxRetryMs, random }), signal);
      }
    }
  }

  /** Of the era: the newest finalized block, or one deep below the best where finality lags or never comes. */
  async #anchor(finalized: Head, best: Head, signal: AbortSignal | undefined): Promise<Head> {
    const deep = best.number - eraBlocks / 2;
    if (deep <= finalized.number) return finalized;
    return (await this.#sources.heads.at(deep, { signal })) ?? finalized;
  }

  #wrap(runtime: Runtime, calls: readonly Call[], batch: 'all' | 'each'): GenericCall {
    const built = calls.map((call) => {
      const inner = buildCall(runtime, call, this.#sources.facts);
      return needsRoot(call) ? make(runtime, 'sudo', 'sudo', inner) : inner;
    });
    const [only] = built;
    if (only !== undefined && built.length === 1) return only;
    return make(runtime, 'utility', batch === 'all' ? 'batchAll' : 'forceBatch', built);
  }

  #checkSize({ hex }: SignedExtrinsic): void {
    const bytes = hex.length / 2 - 1;
    const limit = this.#sources.maxExtrinsicBytes;
    if (bytes > limit)
      throw new RelayError('extrinsic-too-large', {
        details: { reason: `it has ${bytes} bytes, the chain takes ${limit}`, bytes, limit },
      });
  }
}

/**
 * The nonce is the next one, and yet the pool calls the extrinsic stale: so CheckMqSequence did, of a worker's message
 * whose sequence is used. It is what PhalaMq.BadSequence says inside a batch.
 */
function outdated(calls: readonly Call[], cause: RpcError): RelayError {
  if (calls.some(({ kind }) => kind === 'sync-offchain-message'))
    return failed({ pallet: 'PhalaMq', error: 'BadSequence', docs: 'the sequence was used before.' });
  return new RelayError('extrinsic-rejected', { details: { reason: cause.reason }, cause });
}
