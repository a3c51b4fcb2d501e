import type { BatchSr25519 } from '../sr25519.ts';
import type { ToThread } from './protocol.ts';

/** The verdicts of a batch: together where they may well all be good, else each for itself. */
export function verifyPacked(sr25519: BatchSr25519, { packed, count, apart }: Omit<ToThread, 'batch'>): Uint8Array {
  if (!apart) return sr25519.verifyPacked(packed, count);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const verdicts = new Uint8Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = at + 100 + view.getUint32(at, true);
    const [publicKey, signature] = [packed.subarray(at + 4, at + 36), packed.subarray(at + 36, at + 100)];
    verdicts[i] = Number(sr25519.verify(publicKey, packed.subarray(at + 100, end), signature));
    at = end;
  }
  return verdicts;
}
