import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import { DeliveryWatch } from '../../src/relay/delivery-watch.ts';
import { resolveLimits } from '../../src/relay/limits.ts';
import { Metrics } from '../../src/relay/metrics.ts';
import type { MessageStatus, Receipt } from '../../src/relay/pipeline.ts';
import type { RelayFrame } from '../../src/relay/relay-frames.ts';
import { WaitPlaces } from '../../src/relay/wait-places.ts';
import { WsRequests } from '../../src/relay/ws-requests.ts';
import { alice, bob, Cleanup, genesisHash, message } from './support.ts';

const messageId: Hex = `0x${'11'.repeat(32)}`;
const idleMs = 60_000;

describe('relay: what a connection asks for', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** `settle`: ends the oldest message that is under way. */
  const make = async () => {
    const mailStore = await cleanup.store();
    const limits = resolveLimits({ window: 2, idleMs });
    const said: (RelayFrame | readonly [refused: number, error: unknown])[] = [];
    const underWay: ((end: Receipt | Promise<never>) => void)[] = [];
    const submit = (): Promise<Receipt> => new Promise((resolve) => underWay.push(resolve));
    let now = 0;
    const owner = {
      ...{ address: '198.41.0.4', key: '198.41.0.4', isEnding: false, hasRoom: true },
      send: (frame: RelayFrame) => void said.push(frame),
      refuse: (id: number, error: unknown) => void said.push([id, error]),
      fail: (error: unknown) => assert.fail(error as Error),
      deliver: () => assert.fail('nobody has logged in'),
      mailboxOpened: () => assert.fail('nobody has logged in'),
      hold: () => undefined,
    };
    const requests = new WsRequests(
      {
        ...{ mailStore, limits },
        pipeline: { submit, submitReply: submit },
        login: { genesisHash, isOwnOrigin: () => true, verifySignature: () => true, clock: () => now },
        deliveries: new DeliveryWatch({ mailStore, isDeliveredHere: () => false, most: 8 }),
        awaited: new WaitPlaces(8, 'awaited replies'),
        metrics: new Metrics({ maxAgeMs: 0 }),
        random: (length) => new Uint8Array(length),
      },
      owner,
    );
    cleanup.add(requests, () => {
      requests.release();
    });
    const take = (frame: ClientFrame): void => {
      requests.take(encodeClientFrame(frame));
    };
    const settle = async (end: MessageStatus | Error): Promise<void> => {
      underWay.shift()?.(end instanceof Error ? Promise.reject(end) : { messageId, status: end });
      // All that waits for nothing but that is done by then.
      await new Promise(setImmediate);
    };
    return { requests, take, settle, said, mailStore, later: (ms: number) => (now += ms) };
  };
  const send = (id: number): ClientFrame => ({ type: 'send', id, signedEnvelope: message(alice, bob).bytes });

  it("is answered by its id once, with what came of it, and its place in the window is another's then", async () => {
    const { requests, take, settle, said } = await make();
    take(send(7));
    take(send(8));
    assert.throws(
      () => {
        take(send(9));
      },
      (error) => isRelayError(error, 'window-exceeded'),
    );
    assert.deepEqual([said, requests.isAnswering], [[], true]);
    const refused = new Error('no');
    await settle('stored');
    await settle(refused);
    assert.deepEqual(said, [{ type: 'receipt', id: 7, status: 'stored', messageId }, [8, refused]]);
    assert.equal(requests.isAnswering, false);
    take(send(9));
    await settle('duplicate');
    assert.deepEqual(said.at(-1), { type: 'receipt', id: 9, status: 'duplicate', messageId });
  });

  it('has an id, where it is a request', async () => {
    const { take, said } = await make();
    const frames: ClientFrame[] = [
      send(0),
      { type: 'challenge-me', id: 0 },
      { type: 'await-reply', id: 0, senderKey: new Uint8Array(32), after: 0n },
      { type: 'await-delivered', id: 0, to: bob.identity, messageId, sentAt: 0n },
    ];
    for (const frame of frames)
      assert.throws(
        () => {
          take(frame);
        },
        (error) => isRelayError(error, 'bad-frame'),
      );
    assert.deepEqual(said, []);
  });

  it('is nothing any more a while after the last request, unless something is waited for', async () => {
    const { requests, take, settle, later, mailStore } = await make();
    later(idleMs);
    assert.equal(requests.isIdle, false);
    take(send(1));
    await settle('stored');
    later(idleMs);
    assert.equal(requests.isIdle, false);
    later(1);
    assert.equal(requests.isIdle, true);
    await mailStore.append(bob.identity, messageId, new Uint8Array(8));
    take({ type: 'await-delivered', id: 2, to: bob.identity, messageId, sentAt: 0n });
    assert.equal(requests.isIdle, false);
    take({ type: 'forget', id: 2 });
    assert.equal(requests.isIdle, true);
  });
});
