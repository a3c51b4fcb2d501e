import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { MailStore } from '../store/mail-store.ts';
import { checkLogin, type Challenge, type LoginCheck } from './challenge.ts';
import type { ClientFrame } from './client-frames.ts';
import type { RelayLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { RelayFrame } from './relay-frames.ts';
import { addressKey } from './token-buckets.ts';

export type ProofFrame = Extract<ClientFrame, { type: 'login' | 'prove' }>;

export interface ProofParts {
  readonly mailStore: Pick<MailStore, 'generation' | 'stats'>;
  readonly login: LoginCheck;
  readonly limits: Pick<RelayLimits, 'challengeMs'>;
  readonly metrics: Metrics;
  readonly random: (length: number) => Uint8Array;
}

/** Who the peer of one WebSocket has proven to be (protocol.md §11). */
export class WsProof {
  readonly #address: string;
  readonly #parts: ProofParts;
  #challenge: Challenge | undefined;
  #identity: Hex | undefined;

  constructor(address: string, parts: ProofParts) {
    this.#address = address;
    this.#parts = parts;
  }

  /** undefined: it has proven nothing. */
  get identity(): Hex | undefined {
    return this.#identity;
  }

  /** Throws not-logged-in. */
  proven(): Hex {
    if (this.#identity === undefined) throw new RelayError('not-logged-in');
    return this.#identity;
  }

  /** Only the newest counts, once. */
  challenge(id: number): RelayFrame {
    const { random, login, limits } = this.#parts;
    this.#challenge = { serverNonce: random(32), expiresAt: BigInt(login.clock() + limits.challengeMs) };
    return { type: 'challenge', id, ...this.#challenge };
  }

  /** The answer to who proved its identity. Throws login-refused, challenge-expired, mail-store-failed. */
  async prove(frame: ProofFrame): Promise<RelayFrame> {
    const { mailStore, metrics, login } = this.#parts;
    const { id, identity } = frame;
    const challenge = this.#challenge;
    this.#challenge = undefined;
    try {
      await checkLogin(challenge, frame, login, addressKey(this.#address));
      if (this.#identity !== undefined && this.#identity !== identity)
        throw loginRefused(identity, 'this connection has proven another identity before');
    } catch (error) {
      metrics.count('logins_total', 'refused');
      throw error;
    }
    this.#identity = identity;
    const { acknowledged } = await mailStore.stats(identity);
    metrics.count('logins_total', 'accepted');
    return { type: 'logged-in', id, generation: mailStore.generation, acknowledged };
  }
}

export function loginRefused(identity: Hex, reason: string): RelayError {
  return new RelayError('login-refused', { details: { identity, reason } });
}
