import { fromHex, Reader, toHex, workerMessageContent, type Hex } from '../../codec/index.ts';
import { fastFromHex } from '../storage/fast-hex.ts';
import type { MessageCalls } from './message-calls.ts';

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
const idLength = 32;
/** Of an extrinsic: version 4 with a signature. */
const signedVersion = 0x84;
/** Variant of MultiAddress. */
const accountId = 0;
/** By the variants of MultiSignature: ed25519, sr25519, ecdsa. */
const signatureLengths = [64, 64, 65];
/** An era that is no era; others have two bytes. */
const immortal = 0;

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

/**
 * Of an extrinsic that does nothing but post signed messages of this worker, all of which come in or none: what it posts, in
 * order. undefined of any other, and of one that has more before its call than others have.
 */
export function postedTogether(extrinsic: Hex, worker: Hex, calls: MessageCalls): SignedWorkerMessage[] | undefined {
  try {
    const reader = new Reader(fastFromHex(extrinsic) ?? fromHex(extrinsic), 'An extrinsic');
    skipSignedPart(reader);
    const call = indexAt(reader);
    if (call !== calls.one && call !== calls.all) return undefined;
    const count = call === calls.one ? 1 : reader.compactLength();
    const posted: SignedWorkerMessage[] = [];
    while (posted.length < count) {
      if (call === calls.all && indexAt(reader) !== calls.one) return undefined;
      if (toHex(reader.fixed(1 + idLength)).slice(2) !== workerOrigin + worker.slice(2)) return undefined;
      const message = readMessage(reader, worker);
      if (message === undefined) return undefined;
      posted.push(message);
    }
    reader.end();
    return posted;
  } catch {
    return undefined;
  }
}

/** Length, version, address, signature, and of the extensions era, nonce and tip. */
function skipSignedPart(reader: Reader): void {
  reader.compactLength();
  if (reader.u8() !== signedVersion || reader.u8() !== accountId) throw reader.unknownVariant(signedVersion);
  reader.skip(idLength);
  const kind = reader.u8();
  reader.skip(signatureLengths[kind] ?? Infinity);
  if (reader.u8() !== immortal) reader.skip(1);
  skipCompact(reader);
  skipCompact(reader);
}

/** Of any size. */
function skipCompact(reader: Reader): void {
  const first = reader.u8();
  const mode = first & 3;
  reader.skip(mode === 3 ? (first >> 2) + 4 : (1 << mode) - 1);
}

function indexAt(reader: Reader): Hex {
  return toHex(reader.fixed(2));
}

/** From behind the sender's id; what follows is of no interest. */
function read(bytes: Uint8Array, worker: Hex): SignedWorkerMessage | undefined {
  try {
    return readMessage(new Reader(bytes, 'A signed message'), worker);
  } catch {
    return undefined;
  }
}

/** From behind the sender's id. undefined: with a signature of another length, which the chain refuses. */
function readMessage(reader: Reader, worker: Hex): SignedWorkerMessage | undefined {
  const [destination, payload, sequence, signature] = [reader.bytes(), reader.bytes(), reader.u64(), reader.bytes()];
  if (signature.length !== signatureLength) return undefined;
  const content = workerMessageContent({ worker, destination, payload }, sequence);
  return { destination, payload, sequence, signature, content };
}
