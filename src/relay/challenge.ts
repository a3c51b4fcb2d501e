import { fromHex, loginContent, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { dialledOf } from './proof-origin.ts';
import type { VerifySignature } from './relay-options.ts';

export interface Challenge {
  /** 32 bytes. */
  readonly serverNonce: Uint8Array;
  /** Unix time, ms. */
  readonly expiresAt: bigint;
}

export interface LoginAnswer {
  readonly type: 'login' | 'prove';
  readonly identity: Hex;
  /** As the recipient dialled; of a proof that came through another relay: see {@link dialledOf}. */
  readonly origin: string;
  readonly signature: Uint8Array;
}

export interface LoginCheck {
  readonly genesisHash: Hex;
  /** Whether an origin is one of this relay's. */
  readonly isOwnOrigin: (origin: string) => boolean;
  readonly verifySignature: VerifySignature;
  readonly clock: () => number;
}

/**
 * A recipient proves its IdentityKey (protocol.md §11). `challenge`: taken out by the caller, used once. `lane`: of the verifier.
 * A login, which opens a mailbox, must be signed for an origin itself: what is signed for a proof alone is in the hands of the
 * relay that it came through. Throws login-refused; challenge-expired, where a new one may do.
 */
export async function checkLogin(
  challenge: Challenge | undefined,
  { type, identity, origin, signature }: LoginAnswer,
  { genesisHash, isOwnOrigin, verifySignature, clock }: LoginCheck,
  lane: string,
): Promise<void> {
  const refuse = (reason: string): RelayError => new RelayError('login-refused', { details: { identity, reason } });
  if (challenge === undefined) throw refuse('there is no challenge, or it was answered before');
  const { serverNonce, expiresAt } = challenge;
  if (BigInt(clock()) >= expiresAt) throw new RelayError('challenge-expired', { details: { identity } });
  const isOurs = isOwnOrigin(origin) || (type === 'prove' && isOwnOrigin(dialledOf(origin)));
  if (!isOurs) throw refuse('it is signed for another origin than those of this relay');
  const content = loginContent({ genesisHash, identity, origin, serverNonce, expiresAt });
  if (!(await verifySignature(fromHex(identity), content, signature, lane))) throw refuse('the signature is not valid');
}
