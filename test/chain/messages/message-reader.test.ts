import assert from 'node:assert/strict';
import type { OutboundMessage } from '../../../src/chain/index.ts';
import { MessageReader, type MessageReaderParts } from '../../../src/chain/messages/message-reader.ts';
import type { Hex } from '../../../src/codec/index.ts';

const hash = (byte: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(32)}`;
const head = { number: 7, hash: hash(7), parentHash: hash(6), stateRoot: hash(1) };
const topic = Uint8Array.of(1, 2, 3);

describe('MessageReader', () => {
  it('decodes messages of another layout from the bytes that were proven, and asks no node for them again', async () => {
    // One message of a sender that no known layout has.
    const value = Uint8Array.of(4, 99, 12, 1, 2, 3);
    const message: OutboundMessage = {
      sender: { kind: 'other', name: 'Novel' },
      destination: topic,
      payload: Uint8Array.of(9),
    };
    const decoded: [Hex, Uint8Array][] = [];
    let reads = 0;
    const reader = new MessageReader({
      values: {
        read: async (anchors: readonly { stateRoot: Hex | undefined }[]) => {
          reads += 1;
          return anchors.map((block) => ({ block, value, isProven: block.stateRoot !== undefined }));
        },
      },
      decode: async (block: Hex, bytes: Uint8Array) => {
        decoded.push([block, bytes]);
        return [message, { ...message, destination: Uint8Array.of(4) }];
      },
      // What is not used here is left out.
    } as unknown as MessageReaderParts);
    const messages = await reader.at(head, { topics: [topic], verify: true });
    assert.deepEqual(decoded, [[head.hash, value]]);
    assert.equal(reads, 1);
    const { number } = head;
    assert.deepEqual(messages, [{ ...message, block: { number, hash: head.hash }, proven: false }]);
  });
});
