import { RelayError } from '../errors/index.ts';
import type { Ingested } from './ingest.ts';
import type { RelayLimits } from './limits.ts';
import type { VerifySignature } from './relay-options.ts';

export interface VerifyOptions {
  readonly verifySignature: VerifySignature;
  readonly limits: Pick<RelayLimits, 'maxSkewMs' | 'maxForwardAgeMs'>;
  /** How long the stores know ids, ms. */
  readonly dedupeMs: number;
  readonly clock: () => number;
}

/** Second stage, before anything costs: whether the fields fit together. Throws signer-mismatch, clock-skew. */
export function checkFields(message: Ingested, forwarded: boolean, options: VerifyOptions): void {
  checkSigner(message);
  const { header } = message;
  const { maxSkewMs, maxForwardAgeMs } = options.limits;
  const age = options.clock() - Number(header.sentAt);
  // The first relay held the message against its clock; here only its age on the way counts (protocol.md §9).
  const maxAge = forwarded ? maxForwardAgeMs : maxSkewMs;
  // One that may come once more when its id is forgotten would be stored twice.
  const maxAhead = forwarded ? Math.min(maxAge, options.dedupeMs - maxForwardAgeMs) : maxSkewMs;
  const toleranceMs = age < 0 ? maxAhead : maxAge;
  if (Math.abs(age) > toleranceMs)
    throw new RelayError('clock-skew', { details: { sentAt: header.sentAt, toleranceMs } });
}

/** Throws signer-mismatch where another identity signed than the header names. */
export function checkSigner({ signed, header }: Ingested): void {
  if (signed.identity !== header.from)
    throw new RelayError('signer-mismatch', { details: { claimed: header.from, proven: signed.identity } });
}

/** Second stage: whether the sender is who it says. Throws bad-signature. */
export async function checkSignature(
  { bytes, content, signed }: Ingested,
  { verifySignature }: Pick<VerifyOptions, 'verifySignature'>,
  lane?: string,
): Promise<void> {
  // A SignedEnvelope begins with the identity.
  if (!(await verifySignature(bytes.subarray(0, 32), content, signed.signature, lane)))
    throw new RelayError('bad-signature', { details: { what: 'the message' } });
}
