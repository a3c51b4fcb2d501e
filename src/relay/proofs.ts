import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { Answer, ClientRequest } from './client-request.ts';
import type { Prover } from './prover.ts';
import { unexpected } from './unexpected-answer.ts';

export type LoggedIn = Extract<Answer, { type: 'logged-in' }>;

export interface ProofParts {
  /** What is signed for, of the relay that is proven to (protocol.md §11). */
  readonly origin: string;
  readonly genesisHash: Hex;
  readonly request: (request: ClientRequest, signal?: AbortSignal) => Promise<Answer>;
}

/** Proofs of identity on one connection (protocol.md §11). They take turns: a relay remembers one challenge. */
export class Proofs {
  readonly #parts: ProofParts;
  /** The last that succeeded, or is under way. */
  #proof: Promise<LoggedIn> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ProofParts) {
    this.#parts = parts;
  }

  prove(kind: 'prove' | 'login', prover: Prover, signal?: AbortSignal): Promise<LoggedIn> {
    if (kind === 'prove' && this.#proof !== undefined) return this.#proof;
    const proof = this.#inTurn(() => this.#prove(kind, prover, signal));
    this.#proof = proof;
    proof.catch(() => {
      if (this.#proof === proof) this.#proof = undefined;
    });
    return proof;
  }

  /** Asks for a challenge: a relay that is gone does not answer. Never rejects. */
  async probe(): Promise<void> {
    await this.#inTurn(() => this.#parts.request({ type: 'challenge-me' })).catch(() => undefined);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Once more where the challenge expired: this machine slept meanwhile, or the relay's clock was set. */
  async #prove(kind: 'prove' | 'login', prover: Prover, signal: AbortSignal | undefined): Promise<LoggedIn> {
    try {
      return await this.#answer(kind, prover, signal);
    } catch (error) {
      if (!isRelayError(error, 'challenge-expired')) throw error;
      return this.#answer(kind, prover, signal);
    }
  }

  async #answer(kind: 'prove' | 'login', prover: Prover, signal: AbortSignal | undefined): Promise<LoggedIn> {
    const { origin, genesisHash, request } = this.#parts;
    const challenge = await request({ type: 'challenge-me' }, signal);
    if (challenge.type !== 'challenge') throw unexpected(challenge.type);
    const { serverNonce, expiresAt } = challenge;
    const signature = await prover.sign({ type: 'login', genesisHash, origin, serverNonce, expiresAt });
    const answer = await request({ type: kind, identity: prover.identity, origin, signature }, signal);
    if (answer.type !== 'logged-in') throw unexpected(answer.type);
    return answer;
  }
}
