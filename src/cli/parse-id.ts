import { decodeAddress } from '@polkadot/util-crypto';
import { toHex, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

/** An id or key given as 0x-hex or SS58, as lower-case 0x-hex of 32 bytes. Throws bad-id. */
export function parseId(value: string): Hex {
  if (/^0x[0-9a-f]{64}$/i.test(value)) return value.toLowerCase() as Hex;
  if (!value.startsWith('0x')) {
    try {
      const bytes = decodeAddress(value);
      if (bytes.length === 32) return toHex(bytes);
    } catch {
      // not SS58 either: said below
    }
  }
  throw new RelayError('bad-id', { details: { value: value.slice(0, 80) } });
}
