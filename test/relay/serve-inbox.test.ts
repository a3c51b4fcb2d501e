import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Subject } from 'rxjs';
import type { Body, Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createInbox, type Delivery, type InboxEvent } from '../../src/inbox/index.ts';
import { serveInbox, type Replier, type ServeInboxOptions } from '../../src/relay/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { connectTo } from '../support/simulation/connect.ts';
import { Life } from '../support/simulation/life.ts';
import { SimulatedChain } from '../support/simulation/simulated-chain.ts';
import { thrown } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import { bob, entity, genesisHash, sealedMessage } from './support.ts';

describe('a worker that answers', () => {
  it('notes a reply at once, though a handler of its sender is at work', async () => {
    const deliveries = new Subject<InboxEvent>();
    const noted: string[] = [];
    let release: () => void = () => undefined;
    const working = new Promise<void>((resolve) => (release = resolve));
    const handled: string[] = [];
    const acknowledged: string[] = [];
    await using service = serveInbox({
      inbox: { events$: deliveries },
      replier: { reply: () => Promise.resolve(), cameBy: () => undefined },
      concurrency: 1,
      outbox: { noteReply: async ({ messageId }) => noted.push(messageId) > 0 },
      onMessage: async ({ messageId }) => {
        await working;
        handled.push(messageId);
        return undefined;
      },
    });
    const deliver = (messageId: Hex, body: Body): void => {
      const delivery = {
        ...{ messageId, body, from: bob.identity, fromKind: 'worker', registered: true, sentAt: 0n },
        ack: async () => void acknowledged.push(messageId),
        leave: () => undefined,
      };
      deliveries.next({ type: 'message', delivery: delivery as unknown as Delivery });
    };
    const content = new Uint8Array();
    deliver('0x01', { kind: 'data', content });
    deliver('0x02', { kind: 'reply', inReplyTo: '0x00', content });
    await until(() => noted.length === 1);
    assert.deepEqual([noted, handled], [['0x02'], []]);
    release();
    await until(() => acknowledged.length === 2);
    assert.deepEqual(handled, ['0x01', '0x02']);
    await service.stop();
  });

  it('gives the place of a handler that does not end to another, and leaves its message', async () => {
    const deliveries = new Subject<InboxEvent>();
    const told: string[] = [];
    const aborted: string[] = [];
    await using _service = serveInbox({
      inbox: { events$: deliveries },
      replier: { reply: () => Promise.resolve(), cameBy: () => undefined },
      ...{ concurrency: 1, handlerTimeoutMs: 50 },
      // It takes no notice of its signal.
      onMessage: ({ messageId }, signal) => {
        if (messageId === '0x02') return undefined;
        signal.addEventListener('abort', () => aborted.push(messageId));
        return new Promise<never>(() => undefined);
      },
      onError: ({ code, details }, { messageId }) => told.push(`${code} ${messageId}: ${String(details?.['reason'])}`),
    });
    for (const messageId of ['0x01', '0x02'] as const) {
      const delivery = {
        ...{ messageId, from: bob.identity, fromKind: 'worker', registered: true, sentAt: 0n },
        body: { kind: 'data', content: new Uint8Array() },
        ack: async () => void told.push(`ack ${messageId}`),
        leave: () => told.push(`leave ${messageId}`),
      };
      deliveries.next({ type: 'message', delivery: delivery as unknown as Delivery });
    }
    await until(() => told.length === 3);
    assert.deepEqual(
      [told, aborted],
      [['leave 0x01', 'handler-failed 0x01: it did not end within 50 ms', 'ack 0x02'], ['0x01']],
    );
  });

  /** A service of `onMessage`, and how data is given to it; `told` has what became of each message. */
  const service = (onMessage: ServeInboxOptions['onMessage'], options: Partial<ServeInboxOptions> = {}) => {
    const deliveries = new Subject<InboxEvent>();
    const told: string[] = [];
    const worker = serveInbox({
      inbox: { events$: deliveries },
      replier: { reply: () => Promise.resolve(), cameBy: () => undefined },
      onError: ({ code }, { messageId }) => told.push(`${code} ${messageId}`),
      ...(onMessage === undefined ? {} : { onMessage }),
      ...options,
    });
    const deliver = (messageId: Hex, body: Body = { kind: 'data', content: new Uint8Array() }): void => {
      const delivery = {
        ...{ messageId, body, from: bob.identity, fromKind: 'worker', registered: true, sentAt: 0n },
        ack: async () => void told.push(`ack ${messageId}`),
        leave: () => told.push(`leave ${messageId}`),
      };
      deliveries.next({ type: 'message', delivery: delivery as unknown as Delivery });
    };
    return { worker, deliver, told };
  };

  it('aborts the handlers that run when it is stopped, and has let go of those that ended', async () => {
    const signals = new Map<string, AbortSignal>();
    const { worker, deliver, told } = service(({ messageId }, signal) => {
      signals.set(messageId, signal);
      if (messageId === '0x01') return undefined;
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as RelayError);
        });
      });
    });
    for (const messageId of ['0x01', '0x02', '0x03'] as const) deliver(messageId);
    await until(() => signals.size === 3 && told.length === 1);
    await worker.stop();
    const aborted = [...signals].filter(([, signal]) => signal.aborted).map(([messageId]) => messageId);
    assert.deepEqual([aborted, told], [['0x02', '0x03'], ['ack 0x01']]);
  });

  it('begins no handler once it is stopped', async () => {
    const handled: string[] = [];
    let note: ((isOne: boolean) => void) | undefined;
    const noteReply = () => new Promise<boolean>((resolve) => (note = resolve));
    const { worker, deliver, told } = service(({ messageId }) => void handled.push(messageId), {
      outbox: { noteReply },
    });
    deliver('0x01', { kind: 'reply', inReplyTo: '0x00', content: new Uint8Array() });
    const noted = await until(() => note);
    // Its turn came.
    await new Promise(setImmediate);
    const stopped = worker.stop();
    noted(true);
    await stopped;
    assert.deepEqual([handled, told], [[], []]);
  });

  it('lets handlers take as long as they like where their time is Infinity', async () => {
    const slow = (): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, 20, undefined));
    const { worker, deliver, told } = service(slow, { handlerTimeoutMs: Infinity });
    deliver('0x01');
    await until(() => told.length > 0);
    await worker.stop();
    assert.deepEqual(told, ['ack 0x01']);
  });

  for (const handlerTimeoutMs of [0, -1, 2 ** 31, NaN])
    it(`refuses ${handlerTimeoutMs} ms for its handlers, which no timer has`, () => {
      const { details } = thrown(() => service(undefined, { handlerTimeoutMs }), 'bad-setting');
      assert.equal(details?.['name'], 'handlerTimeoutMs');
    });

  it('handles the message of a ninth asker at once, where the answers to all of eight that are registered hang', async () => {
    const chain = Object.assign(connectTo(new SimulatedChain(), new Life()), { genesisHash });
    const vault = createMemoryVault({ identity: bob.keys, ecdh: bob.keys });
    await using inbox = createInbox({ chain, vault, store: openMemoryStore(), isRegistered: () => true });
    let giveUp: () => void = () => undefined;
    const hanging = new Promise<never>((_, reject) => (giveUp = () => reject(new RelayError('aborted'))));
    hanging.catch(() => undefined);
    const replier: Replier = { reply: () => hanging, cameBy: () => undefined };
    const handled: string[] = [];
    await using _service = serveInbox({
      ...{ inbox, replier, acknowledgeReads: true },
      onMessage: ({ from }) => {
        handled.push(from);
        return undefined;
      },
      onError: (error) => assert.equal(error.code, 'reply-undelivered'),
    });
    // Before the service, which waits for its answers.
    using _ = { [Symbol.dispose]: giveUp };
    await inbox.start();
    const eight = Array.from({ length: 8 }, (_, n) => entity(`asker ${n}`));
    await Promise.all(
      eight.flatMap((from) =>
        Array.from({ length: 128 }, (_, n) => inbox.accept(sealedMessage(from, bob, `message ${n}`).envelope)),
      ),
    );
    const ninth = entity('ninth');
    await inbox.accept(sealedMessage(ninth, bob, 'the only one').envelope);
    await until(() => handled.includes(ninth.identity));
    assert.ok(handled.length < 8 * 128);
  });
});
