import { encodeAddress } from '@polkadot/util-crypto';
import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
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
import { backoffMs } from '../rpc/backoff.ts';
import { expectNumber } from '../rpc/expect.ts';
import { checkTopic, needsRoot } from './build-call.ts';
import type { StatusWatch } from './extrinsic-status.ts';
import { fatesOf } from './fates.ts';
import { Follower } from './follow.ts';
import { NonceOwner } from './nonce-owner.ts';
import { Posting } from './posting.ts';
import { maxRefusals, refusalPauses } from './refusal-limits.ts';
import type { SubmitSources } from './submit-sources.ts';

/** Eras that may pass without it before an extrinsic is given up. */
const maxEras = 2;

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
        await clock.sleep(backoffMs(times - 1, { ...refusalPauses, random }), options.signal);
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
    options: PostOptions,
  ): Promise<SignedExtrinsic> {
    const nonce = options.nonce ?? (await owner.next(options.signal));
    const posting = new Posting(this.#sources, owner, calls, account, { ...options, nonce });
    const { extrinsic, watch } = await posting.run();
    owner.underWay(nonce);
    if (watch !== undefined) this.#watches.set(extrinsic, watch);
    return extrinsic;
  }
}

function takenSoOften(times: number, cause: RelayError): RelayError {
  return new RelayError('nonce-conflict', { details: { ...cause.details, times }, cause });
}
