import assert from 'node:assert/strict';
import {
  contractOfTopic,
  contractTopic,
  decodeCommandPayload,
  encodeCommandPayload,
  encodeEncryptedData,
  refusePhalaTopic,
  toHex,
  topicFromText,
  topicOf,
  type Hex,
} from '../../src/codec/index.ts';
import { thrown } from '../support/expect-error.ts';

const contract: Hex = `0x${'0a1b'.repeat(16)}`;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('codec: topics of Phala', () => {
  it('names the topic of a contract as @phala/sdk does, and reads the contract out of it', () => {
    const topic = contractTopic(contract);
    assert.equal(new TextDecoder().decode(topic), `phala/contract/${contract.slice(2)}/command`);
    assert.equal(contractOfTopic(topic), contract);
    for (const other of ['phala/contract/worker/report', `${new TextDecoder().decode(topic)}s`, 'contract'])
      assert.equal(contractOfTopic(utf8(other)), undefined);
  });

  it("refuses the topics that Phala's workers read, and no others", () => {
    for (const topic of ['phala/mining/report', 'phala/gatekeeper/key', 'phala/contract/worker/report', 'phala/'])
      thrown(() => refusePhalaTopic(utf8(topic)), 'phala-topic');
    for (const topic of [contractTopic(contract), topicOf(contract), utf8('my/topic'), utf8('phala')])
      refusePhalaTopic(topic);
  });

  it('is written as text, or as hex of its bytes', () => {
    assert.deepEqual(topicFromText('a/b'), utf8('a/b'));
    assert.deepEqual(topicFromText('0x00ff'), Uint8Array.of(0, 255));
    thrown(() => topicFromText('0x0'), 'bad-hex');
  });
});

describe('codec: a command payload', () => {
  it('has the bytes of the Rust enum: a variant, then the command as it is or EncryptedData', () => {
    const content = Uint8Array.of(9, 8);
    assert.equal(toHex(encodeCommandPayload({ kind: 'plain', content })), '0x000908');
    const data = { iv: new Uint8Array(12).fill(1), pubkey: new Uint8Array(32).fill(2), data: Uint8Array.of(3) };
    const encoded = encodeCommandPayload({ kind: 'encrypted', ...data });
    assert.equal(toHex(encoded), `0x01${toHex(encodeEncryptedData(data)).slice(2)}`);
    assert.deepEqual(decodeCommandPayload(encoded), { kind: 'encrypted', ...data });
    assert.deepEqual(decodeCommandPayload(Uint8Array.of(0, 9, 8)), { kind: 'plain', content });
  });

  it('is refused with another variant, and when it is empty', () => {
    thrown(() => decodeCommandPayload(Uint8Array.of(2, 1)), 'unknown-variant');
    thrown(() => decodeCommandPayload(new Uint8Array()), 'truncated');
  });
});
