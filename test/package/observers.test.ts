import assert from 'node:assert/strict';
import { firstValueFrom, Subject } from 'rxjs';
import {
  connectChain,
  createInbox,
  createMemoryVault,
  createOutbox,
  createPhalaListener,
  createRelayOutbox,
  openMemoryStore,
  queueMessage,
  ready,
  RelayError,
  serveInbox,
  startDevChain,
  type Chain,
  type Delivery,
  type DevChain,
  type InboxEvent,
  type OffChainCarrier,
} from '../../src/index.ts';
import { watchDeliveries } from '../../src/outbox/index.ts';
import { alice, bob } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { unhandled } from '../support/unhandled.ts';
import { until } from '../support/until.ts';
import { currentKey } from '../support/vaults.ts';

const body = { kind: 'data', content: '0x01' } as const;

describe('package: observers that throw', () => {
  const vault = createMemoryVault();
  const peer = createMemoryVault();
  const failure = new Error('an observer failed');
  let dev: DevChain;
  let chain: Chain;
  let peerKey: Uint8Array;

  before(async () => {
    await ready();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
    peerKey = await currentKey(peer);
  });
  after(async () => {
    await chain.stop();
    await dev.stop();
  });

  const directory = { get: () => ({ current: { epoch: 0, ecdhKey: peerKey, proven: true }, endpoints: [] }) };
  const told: unknown[] = [];
  const observer = (what: RelayError): void => {
    told.push(what.code);
    throw failure;
  };
  beforeEach(() => {
    told.length = 0;
  });
  const taking: OffChainCarrier = {
    canReach: () => true,
    carry: async () => ({ endpoint: 'http://relay.example', status: 'stored' }),
  };

  it('onNotice of an inbox: it starts, and reads', async () => {
    const reported = await unhandled(async () => {
      await using inbox = createInbox({ chain, vault, store: openMemoryStore(), onNotice: observer });
      await inbox.start();
      await inbox.ready;
    });
    assert.deepEqual([told, reported], [['reading-from'], [failure]]);
  });

  it('onNotice of a phala listener: it starts, and reads', async () => {
    const reported = await unhandled(async () => {
      const parts = { chain, vault, store: openMemoryStore(), topics: [Uint8Array.of(1)] };
      await using listener = createPhalaListener({ ...parts, onNotice: observer });
      await listener.start();
      await listener.ready;
    });
    assert.deepEqual([told, reported], [['reading-from'], [failure]]);
  });

  it('onNotice of an outbox: what it holds up waits no longer, and what comes behind goes', async () => {
    const store = openMemoryStore();
    const { genesisHash } = chain;
    const outgoing = { to: peer.identity, body, as: 'account', via: 'chain' } as const;
    await queueMessage({ vault, store, genesisHash, account: alice }, outgoing);
    const setbacks: string[] = [];
    const reported = await unhandled(async () => {
      await using outbox = createOutbox({
        ...{ chain, vault, store, directory, account: bob, onNotice: observer },
        onSetback: ({ code }) => setbacks.push(code),
      });
      await outbox.start();
      await (await outbox.send(outgoing)).reached('inBlock');
    });
    assert.deepEqual([told, reported, setbacks], [['other-account'], [failure], []]);
  });

  it('onSetback of an outbox whose carrier fails: the message is tried again', async () => {
    let failures = 1;
    const carrier: OffChainCarrier = {
      ...taking,
      carry: async (...message) => {
        if (failures-- > 0) throw new RelayError('relay-timeout', { details: { url: 'x', timeoutMs: 1 } });
        return taking.carry(...message);
      },
    };
    const reported = await unhandled(async () => {
      const options = { genesisHash: chain.genesisHash, vault, store: openMemoryStore(), directory, carrier };
      await using outbox = createRelayOutbox({ ...options, onSetback: observer });
      await outbox.start();
      const receipt = await outbox.send({ to: peer.identity, body, via: 'relay' });
      await until(() => told.length > 0);
      outbox.tryAgain();
      await receipt.reached('finalized');
    });
    assert.deepEqual([told, reported], [['relay-timeout'], [failure]]);
  });

  it('onSetback of an outbox whose store fails: it goes on', async () => {
    const disk = openMemoryStore();
    let failures = 0;
    const store = replacing(disk, {
      entries: async (range) => {
        if (failures-- > 0) throw new RelayError('store-failed', { details: { reason: 'for once' } });
        return disk.entries(range);
      },
    });
    const reported = await unhandled(async () => {
      const options = { genesisHash: chain.genesisHash, vault, store, directory, carrier: taking };
      await using outbox = createRelayOutbox({ ...options, onSetback: observer });
      const receipt = await outbox.send({ to: peer.identity, body, via: 'relay' });
      await outbox.start();
      failures = 1;
      await until(() => told.length > 0);
      outbox.tryAgain();
      await receipt.reached('finalized');
    });
    assert.deepEqual([told, reported], [['store-failed'], [failure]]);
  });

  it('onSetback of who watches deliveries: it goes on', async () => {
    const store = openMemoryStore();
    const carrier: OffChainCarrier = {
      ...taking,
      awaitDelivered: async () => {
        throw new RelayError('delivery-untold', { details: { reason: 'it is old' } });
      },
    };
    const silent: OffChainCarrier = {
      ...taking,
      awaitDelivered: (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
    };
    const reported = await unhandled(async () => {
      const options = { genesisHash: chain.genesisHash, vault, store, directory, carrier: silent };
      await using outbox = createRelayOutbox(options);
      await outbox.start();
      const receipt = await outbox.send({ to: peer.identity, body, via: 'relay', deliveryReceipt: true });
      await receipt.reached('finalized');
      await outbox.stop();
      await using watch = watchDeliveries({ store, carrier, onSetback: observer });
      await watch.look();
      await until(() => told.length > 0);
    });
    assert.deepEqual([told, reported], [['delivery-untold'], [failure]]);
  });

  it('onError of a service: the next message is handled', async () => {
    const events$ = new Subject<InboxEvent>();
    const done: string[] = [];
    const reported = await unhandled(async () => {
      await using service = serveInbox({
        inbox: { events$ },
        replier: { reply: () => Promise.reject(new Error('no way')), cameBy: () => undefined },
        onMessage: ({ messageId }) => {
          if (messageId === '0x01') throw new Error('a handler failed');
          return messageId === '0x02' ? '0x00' : undefined;
        },
        onError: observer,
      });
      let ended: unknown;
      service.ended.catch((error: unknown) => (ended = error));
      for (const messageId of ['0x01', '0x02', '0x03'] as const) {
        const delivery = {
          ...{ messageId, from: bob.id, fromKind: 'worker', registered: true, sentAt: 0n, body },
          ack: async () => void done.push(`ack ${messageId}`),
          leave: () => done.push(`leave ${messageId}`),
        };
        events$.next({ type: 'message', delivery: delivery as unknown as Delivery });
      }
      await until(() => done.length === 3 || ended !== undefined);
      assert.equal(ended, undefined);
    });
    assert.deepEqual(done.toSorted(), ['ack 0x02', 'ack 0x03', 'leave 0x01']);
    assert.deepEqual(
      [told.toSorted(), reported],
      [
        ['handler-failed', 'reply-undelivered'],
        [failure, failure],
      ],
    );
  });

  it('onInclusion of who follows an extrinsic: it is followed to its end', async () => {
    const reported = await unhandled(async () => {
      const extrinsic = await chain.post(
        [{ kind: 'push-message', destination: Uint8Array.of(0x41), payload: Uint8Array.of(1) }],
        alice,
      );
      const { blockNumber } = await chain.follow(extrinsic, {
        onInclusion: () => {
          throw failure;
        },
      });
      assert.ok(blockNumber > 0);
    });
    assert.deepEqual(reported, [failure]);
  });

  it('a subscriber of events$: they go on, and the message stays', async () => {
    const store = openMemoryStore();
    const reported = await unhandled(async () => {
      await using inbox = createInbox({ chain, vault: peer, store });
      await inbox.start();
      await inbox.ready;
      const subscription = inbox.events$.subscribe(() => {
        told.push('an event');
        throw failure;
      });
      await using outbox = createOutbox({ chain, vault, store: openMemoryStore(), directory, account: alice });
      await outbox.start();
      await (await outbox.send({ to: peer.identity, body, as: 'account', via: 'chain' })).reached('finalized');
      await until(() => told.length > 0);
      subscription.unsubscribe();
      const again = await firstValueFrom(inbox.messages$);
      assert.equal(again.from, alice.id);
    });
    assert.deepEqual([told, reported], [['an event'], [failure]]);
  });
});
