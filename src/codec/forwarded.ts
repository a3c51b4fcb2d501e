import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** An off-chain message on its way between relays (protocol.md §11). */
export interface Forwarded {
  readonly hops: number;
  /** SCALE of the SignedEnvelope. */
  readonly signedEnvelope: Uint8Array;
}

export function encodeForwarded({ hops, signedEnvelope }: Forwarded): Uint8Array {
  return new Writer().u8(hops).bytes(signedEnvelope).finish();
}

/** Throws truncated, trailing-bytes or non-canonical. */
export function decodeForwarded(bytes: Uint8Array): Forwarded {
  const reader = new Reader(bytes, 'Forwarded');
  const decoded = { hops: reader.u8(), signedEnvelope: reader.bytes() };
  reader.end();
  return decoded;
}
