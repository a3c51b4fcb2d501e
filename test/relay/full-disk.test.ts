import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { decodeSignedEnvelope, messageId } from '../../src/codec/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { createRelayClient } from '../../src/relay/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { connectTo } from '../support/simulation/connect.ts';
import { Life } from '../support/simulation/life.ts';
import { SimulatedChain } from '../support/simulation/simulated-chain.ts';
import { smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';
import {
  alice,
  bob,
  carol,
  Cleanup,
  genesisHash,
  message,
  sealedMessage,
  signer,
  type Entity,
  type TestMessage,
} from './support.ts';

describe('relay: a full disk', () => {
  const cleanup = new Cleanup();
  let path: string;

  before(async function () {
    const disk = await smallDisk(3);
    if (disk === undefined) {
      this.skip();
      return;
    }
    path = disk.path;
    cleanup.add(disk, (made) => made.remove());
  });
  after(() => cleanup.run());

  it('refuses, loses nothing that it took, still hands out mail, and takes again when there is room', async () => {
    const relay = await cleanup.relay({ mailStore: await cleanup.store({ path }) });
    const url = relay.url.replace('http', 'ws');
    const client = cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
    const taken = new Set<string>();
    const refused: string[] = [];
    const send = async (): Promise<void> => {
      const { id, bytes } = message(alice, bob, { size: 20_000 });
      await client.send(bytes, [url]).then(
        () => taken.add(id),
        (error: unknown) => refused.push((error as { code: string }).code),
      );
    };
    for (let round = 0; round < 12; round++) await Promise.all(Array.from({ length: 20 }, send));
    // What had no room together may have it one by one.
    for (let before = -1; taken.size !== before;) {
      before = taken.size;
      await send();
    }
    assert.ok(taken.size > 20 && refused.length > 20);
    assert.deepEqual([...new Set(refused)], ['relay-failed']);
    assert.equal((await fetch(`${relay.url}/healthz`)).status, 200);
    const readiness = async () => (await fetch(`${relay.url}/readyz`)).json() as Promise<unknown>;
    assert.deepEqual(await readiness(), { status: 'not ready', reason: 'mail-store-failed' });

    const received = new Set<string>();
    const before = (await relay.mailStore.read(bob.identity, 0n, { count: 1000, bytes: 2 ** 30 })).map(
      ({ messageId }) => messageId,
    );
    assert.deepEqual(new Set(before), taken);
    const subscription = client.receive({ url, identity: bob.identity, sign: signer(bob) }).subscribe((event) => {
      if (event.type !== 'delivery') return;
      const { envelope } = decodeSignedEnvelope(event.signedEnvelope);
      received.add(messageId({ genesisHash, envelope }));
      event.ack();
    });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    // What its sender was refused may have been given before the disk refused it.
    const hasAll = (): boolean => [...taken].every((id) => received.has(id));
    await until(hasAll);
    const count = taken.size;
    await until(async () => {
      await send();
      return taken.size > count;
    });
    await until(hasAll);
    await until(async () => (await fetch(`${relay.url}/readyz`)).status === 200);
  }).timeout(60_000);

  it('of the queue to other relays: what it took is forwarded, mailboxes go on, and it is not ready until there is room', async () => {
    const disk = await smallDisk(3);
    assert.ok(disk !== undefined);
    cleanup.add(disk, (made) => made.remove());
    const next = await cleanup.relay({ recipients: [carol.identity] });
    const endpoints = ['http://127.0.0.1:1'];
    const relay = await cleanup.relay({
      forwardStore: await cleanup.store({ path: disk.path }),
      forwardBackoff: { firstMs: 10, mostMs: 50 },
      workerState: { get: (id) => (id === carol.identity ? { endpoints } : undefined) },
    });
    const client = cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
    const send = async (to: Entity): Promise<string> => {
      const { id, bytes } = message(alice, to, { size: 20_000 });
      return client.send(bytes, [relay.url.replace('http', 'ws')]).then(
        ({ status }) => `${status} ${id}`,
        (error: unknown) => (error as { code: string }).code,
      );
    };
    const answers: string[] = [];
    while (!answers.includes('relay-failed') && answers.length < 1_000)
      answers.push(...(await Promise.all(Array.from({ length: 20 }, () => send(carol)))));
    const taken = answers.filter((answer) => answer.startsWith('forwarded ')).map((answer) => answer.split(' ')[1]);
    assert.equal(taken.length + answers.filter((answer) => answer === 'relay-failed').length, answers.length);
    assert.ok(taken.length > 20);
    assert.match(await send(bob), /^stored /);
    const readiness = async () => (await fetch(`${relay.url}/readyz`)).json() as Promise<unknown>;
    await until(async () => JSON.stringify(await readiness()).includes('mail-store-failed'));

    endpoints[0] = next.url;
    await until(async () => (await fetch(`${relay.url}/readyz`)).status === 200);
    const arrived = async () =>
      new Set(
        (await next.mailStore.read(carol.identity, 0n, { count: 1000, bytes: 2 ** 30 })).map((mail) => mail.messageId),
      );
    await until(async () => {
      const ids: ReadonlySet<string> = await arrived();
      return taken.every((id) => ids.has(id ?? ''));
    });
    await until(async () => (await send(carol)).startsWith('forwarded '));
  }).timeout(60_000);

  const ownInbox = async ({ grows }: { readonly grows: boolean }): Promise<void> => {
    const disk = await smallDisk(3);
    assert.ok(disk !== undefined);
    cleanup.add(disk, (made) => made.remove());
    const vault = createMemoryVault({ identity: bob.keys, ecdh: bob.keys });
    const store = cleanup.add(await openLmdbStore({ path: disk.path }), (made) => made.close());
    const chain = Object.assign(connectTo(new SimulatedChain(), new Life()), { genesisHash });
    const inbox = cleanup.add(createInbox({ chain, vault, store }), (made) => made.stop());
    await inbox.start();
    const local = { identity: bob.identity, vault, accept: inbox.accept.bind(inbox) };
    const relay = await cleanup.relay({ recipients: [carol.identity], local });
    const client = cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
    const send = ({ bytes }: TestMessage): Promise<string> =>
      client.send(bytes, [relay.url.replace('http', 'ws')]).then(
        ({ status }) => status,
        (error: unknown) => (error as { code: string }).code,
      );
    const [taken, refused]: [string[], TestMessage[]] = [[], []];
    while (refused.length < 20 && taken.length < 1_000) {
      const sent = sealedMessage(alice, bob, `${taken.length} ${refused.length}`.padEnd(20_000));
      const answer = await send(sent);
      if (answer === 'delivered') taken.push(sent.id);
      else {
        assert.equal(answer, 'relay-failed');
        refused.push(sent);
      }
    }
    assert.ok(taken.length > 20);
    // Its mailboxes are on another disk.
    assert.equal(await send(message(alice, carol)), 'stored');

    if (grows) await disk.grow(12);
    const received: string[] = [];
    const acks: Promise<void>[] = [];
    const subscription = inbox.events$.subscribe((event) => {
      if (event.type !== 'message') return;
      received.push(event.delivery.messageId);
      acks.push(event.delivery.ack());
    });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    await until(() => taken.every((id) => received.includes(id)));
    for (const sent of refused) await until(async () => ['delivered', 'duplicate'].includes(await send(sent)));
    const all = [...taken, ...refused.map(({ id }) => id)];
    await until(() => received.length >= all.length);
    assert.deepEqual([...received].sort(), all.sort());
    await Promise.all(acks);
  };

  it('of the inbox of its own entity: who sends is refused, and what was refused is taken once when there is room', () =>
    ownInbox({ grows: true })).timeout(60_000);

  it('of that inbox which stays as small: what is acknowledged makes the room', () =>
    ownInbox({ grows: false })).timeout(60_000);
});
