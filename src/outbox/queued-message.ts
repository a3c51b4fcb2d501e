import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import type { BlockNumber } from '../chain/index.ts';

/** A message in the queue, as stored: sealed, with how far it got. */
export interface QueuedMessage {
  readonly envelope: Uint8Array;
  readonly as: 'worker' | 'account';
  readonly via: 'chain' | 'relay' | 'auto';
  readonly progress: Progress;
}

export type Progress =
  | { readonly state: 'queued' }
  /** Handed to the node when the best block was `since`; a crash may have hidden what came of it. */
  | { readonly state: 'submitted'; readonly since: BlockNumber }
  | { readonly state: 'inBlock'; readonly blockHash: Hex; readonly blockNumber: BlockNumber };

const ways = ['chain', 'relay', 'auto'] as const;
const states = ['queued', 'submitted', 'inBlock'] as const;

export function encodeQueued({ envelope, as, via, progress }: QueuedMessage): Uint8Array {
  const writer = new Writer()
    .u8(as === 'worker' ? 0 : 1)
    .u8(ways.indexOf(via))
    .u8(states.indexOf(progress.state));
  if (progress.state === 'submitted') writer.u32(progress.since);
  if (progress.state === 'inBlock') writer.u32(progress.blockNumber).raw(toBytes(progress.blockHash, 'blockHash', 32));
  return writer.bytes(envelope).finish();
}

export function decodeQueued(bytes: Uint8Array): QueuedMessage {
  const reader = new Reader(bytes, 'A queued message');
  const as = reader.u8() === 0 ? 'worker' : 'account';
  const way = reader.u8();
  const via = ways[way];
  if (via === undefined) throw reader.unknownVariant(way);
  const progress = readProgress(reader);
  const envelope = reader.bytes();
  reader.end();
  return { envelope, as, via, progress };
}

function readProgress(reader: Reader): Progress {
  const index = reader.u8();
  switch (states[index]) {
    case 'queued':
      return { state: 'queued' };
    case 'submitted':
      return { state: 'submitted', since: reader.u32() };
    case 'inBlock':
      return { state: 'inBlock', blockNumber: reader.u32(), blockHash: toHex(reader.fixed(32)) };
    default:
      throw reader.unknownVariant(index);
  }
}
