import { concatBytes, fromHex, Writer, lengthOfBytes } from '../../codec/index.ts';
import type { Call } from './submission.ts';
import type { Runtime } from '../runtime/runtime.ts';

export type MessageCall = Extract<Call, { readonly kind: 'push-message' | 'sync-offchain-message' }>;

/** Variant of MessageOrigin for a worker, as the interface page fixes it. */
const workerOrigin = 2;
const lengthOfSequence = 8;
const pushShape = '<u8>,<u8>';
const syncShape =
  /^\{message:\{sender:enum\{(?:[^{}]*,)?2:Worker\(\[u8;32\]\)[^{}]*\},destination:<u8>,payload:<u8>\},sequence:u64,signature:<u8>\}$/;

/** Indices of a call that carries a message; undefined where the runtime's call takes something else than the interface page says. */
export function messageCallIndex(runtime: Runtime, kind: MessageCall['kind']): Uint8Array | undefined {
  const method = kind === 'push-message' ? 'pushMessage' : 'syncOffchainMessage';
  const shape = runtime.callShape('phalaMq', method) ?? '';
  const isKnown = kind === 'push-message' ? shape === pushShape : syncShape.test(shape);
  return isKnown ? runtime.callIndex('phalaMq', method) : undefined;
}

/**
 * SCALE of a call that carries a message, by hand: codec objects for its bytes cost more than all the rest of posting it.
 * undefined where the runtime's call takes something else.
 */
export function encodeMessageCall(runtime: Runtime, call: MessageCall): Uint8Array | undefined {
  const index = messageCallIndex(runtime, call.kind);
  if (index === undefined) return undefined;
  if (call.kind === 'push-message')
    return new Writer(2 + lengthOfMessage(call)).raw(index).bytes(call.destination).bytes(call.payload).finish();
  const { worker, destination, payload, sequence, signature } = call;
  const length = 2 + 33 + lengthOfMessage(call) + lengthOfSequence + lengthOfBytes(signature.length);
  return new Writer(length)
    .raw(index)
    .u8(workerOrigin)
    .raw(fromHex(worker))
    .bytes(destination)
    .bytes(payload)
    .u64(sequence)
    .bytes(signature)
    .finish();
}

/** SCALE of `Vec<Call>` as the argument of a call. */
export function encodeBatch(index: Uint8Array, calls: readonly Uint8Array[]): Uint8Array {
  return concatBytes(index, new Writer(4).compactLength(calls.length).finish(), ...calls);
}

function lengthOfMessage({ destination, payload }: MessageCall): number {
  return lengthOfBytes(destination.length) + lengthOfBytes(payload.length);
}
