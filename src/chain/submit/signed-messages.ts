import { fromHex, Reader, workerMessageContent, type Hex } from '../../codec/index.ts';
import { fastFromHex } from '../storage/fast-hex.ts';

/** What stands in `PhalaMq.syncOffchainMessage`. */
export interface SignedWorkerMessage {
  readonly destination: Uint8Array;
  readonly payload: Uint8Array;
  readonly sequence: bigint;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  /** What the signature is of. */
  readonly content: Uint8Array;
}

/** Variant of MessageOrigin for a worker. */
const workerOrigin = '02';
const signatureLength = 64;

/**
 * All that reads as a signed message of this worker in an extrinsic, however deep the call is nested: its layout is the
 * same in all runtimes, while calls can be decoded only with the metadata of their block. Anybody can write such bytes into an
 * extrinsic: whether a signature is valid is for the caller to say.
 */
export function signedMessagesIn(extrinsic: Hex, worker: Hex): SignedWorkerMessage[] {
  const mark = workerOrigin + worker.slice(2);
  const found: SignedWorkerMessage[] = [];
  let bytes: Uint8Array | undefined;
  for (let at = extrinsic.indexOf(mark, 2); at >= 0; at = extrinsic.indexOf(mark, at + 2)) {
    if (at % 2 !== 0) continue;
    bytes ??= fastFromHex(extrinsic) ?? fromHex(extrinsic);
    const message = read(bytes.subarray((at - 2 + mark.length) / 2), worker);
    if (message !== undefined) found.push(message);
  }
  return found;
}

/** From behind the sender's id; what follows is of no interest. */
function read(bytes: Uint8Array, worker: Hex): SignedWorkerMessage | undefined {
  try {
    const reader = new Reader(bytes, 'A signed message');
    const [destination, payload, sequence, signature] = [reader.bytes(), reader.bytes(), reader.u64(), reader.bytes()];
    if (signature.length !== signatureLength) return undefined;
    const content = workerMessageContent({ worker, destination, payload }, sequence);
    return { destination, payload, sequence, signature, content };
  } catch {
    return undefined;
  }
}
