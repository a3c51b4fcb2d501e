import assert from 'node:assert/strict';
import {
  ecdhRecordContent,
  encodeEndpointPayload,
  encodeWorkerMessage,
  endpointContent,
  envelopeContent,
  loginContent,
  refuseBadTopic,
  toHex,
  topicOf,
  workerMessageContent,
} from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';

const id = `0x${'11'.repeat(32)}` as const;
const message = { worker: id, destination: Uint8Array.of(0x6b, 1), payload: Uint8Array.of(9) };

describe('codec: what is signed', () => {
  const contents = {
    endpoints: endpointContent({ identity: id, endpoints: [], signingTime: 0 }),
    'an off-chain message': envelopeContent({ genesisHash: id, envelope: new Uint8Array() }),
    'a login': loginContent({
      genesisHash: id,
      identity: id,
      origin: 'wss://relay.example.net:443',
      serverNonce: id,
      expiresAt: 0,
    }),
    'an ECDH record': ecdhRecordContent({ genesisHash: id, identity: id, ecdhPublic: id, epoch: 0 }),
  };

  it('begins with 0xff and a type of its own, except a message-queue message', () => {
    const types = Object.values(contents).map((content) => {
      assert.equal(content[0], 0xff);
      return content[1];
    });
    assert.deepEqual(types, [0x02, 0x4b, 0x4c, 0x52]);
    assert.notEqual(workerMessageContent(message, 0n)[0], 0xff);
  });

  it('has the layout of the chain for a message of a worker', () => {
    assert.equal(toHex(encodeWorkerMessage(message)), `0x02${id.slice(2)}086b010409`);
    assert.equal(toHex(workerMessageContent(message, 258n)), `${toHex(encodeWorkerMessage(message))}0201000000000000`);
  });

  it('has the layout of the chain for an endpoint payload', () => {
    const payload = { identity: id, endpoints: ['a', 'bc'], signingTime: 1n };
    assert.equal(toHex(encodeEndpointPayload(payload)), `0x${id.slice(2)}000804610862630100000000000000`);
    assert.equal(toHex(endpointContent(payload)), `0xff02${toHex(encodeEndpointPayload(payload)).slice(2)}`);
  });

  it('has times that are whole numbers of 64 bits', () => {
    for (const signingTime of [-1, 1.5, Number.NaN, 2 ** 60, -1n, 1n << 64n])
      assert.throws(
        () => endpointContent({ identity: id, endpoints: [], signingTime }),
        (error) => isRelayError(error, 'bad-value'),
      );
  });
});

describe('codec: topics', () => {
  it('are 47 bytes that the chain does not swallow', () => {
    const topic = topicOf(id);
    assert.equal(topic.length, 47);
    refuseBadTopic(topic);
  });

  it('know the bytes that the chain reserves', () => {
    const isRefused = (first: number): boolean => {
      try {
        refuseBadTopic(Uint8Array.of(first, 0x61));
        return false;
      } catch (error) {
        return isRelayError(error, 'bad-topic');
      }
    };
    const refused = Array.from({ length: 256 }, (_, byte) => byte).filter(isRefused);
    assert.equal(String.fromCharCode(...refused), "!#$%&'*+,-./:;<=>?@^_|~");
    assert.throws(
      () => refuseBadTopic(new Uint8Array()),
      (error) => isRelayError(error, 'bad-topic'),
    );
  });
});
