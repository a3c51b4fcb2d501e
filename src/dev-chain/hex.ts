import type { Hex } from '../codec/hex.ts';

/** Unchecked and fast, for the megabytes of a runtime; `codec/` has the checked pair. */
export function bytesToHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

export function hexToBytes(hex: string): Uint8Array<ArrayBuffer> {
  return Buffer.from(hex.slice(2), 'hex');
}

export function isHex(value: unknown, bytes?: number): value is Hex {
  return (
    typeof value === 'string' &&
    (bytes === undefined ? value.length % 2 === 0 : value.length === 2 + 2 * bytes) &&
    /^0x[0-9a-f]*$/i.test(value)
  );
}
