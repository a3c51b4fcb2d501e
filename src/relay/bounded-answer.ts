import { concatBytes } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

/** Reads an answer up to a bound; past it no more is asked for. Throws endpoint-failed. */
export async function readBounded(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
  endpoint: string,
): Promise<Uint8Array> {
  const read: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > maxBytes)
      throw new RelayError('endpoint-failed', {
        details: { endpoint: endpoint.slice(0, 200), reason: `its answer is longer than ${maxBytes} bytes` },
      });
    read.push(piece);
  }
  return concatBytes(...read);
}
