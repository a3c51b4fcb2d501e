import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import type { Origin } from '../../src/store/mail-quota.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { describeNats, startNats, type NatsServer, type NatsServerOptions } from '../support/nats-server.ts';

const run = promisify(execFile);
const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const alice = id(0xa11ce);
const everything = 2n ** 64n - 1n;
const size = 20_000;

describeNats('MailStore: jetstream without room', () => {
  const steps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const step of steps.splice(0).reverse()) await step();
  });

  const start = async (options: NatsServerOptions): Promise<NatsServer> => {
    const server = await startNats(options);
    steps.push(() => server.stop());
    return server;
  };
  const open = async ({ url }: NatsServer, credentials?: string): Promise<MailStore> => {
    const store = await openJetStreamMailStore({
      ...{ name: 'full', shards: 1, timeoutMs: 3_000 },
      nats: {
        servers: [url],
        ...(credentials !== undefined && { credentials: new TextEncoder().encode(credentials) }),
      },
    });
    steps.push(() => store.close());
    return store;
  };
  /** Appends until it is refused; gives what was taken, and why no more was. */
  const fill = async (
    store: MailStore,
    from = 1,
    originOf?: (n: number) => Origin,
  ): Promise<{ readonly taken: Hex[]; readonly refused: unknown }> => {
    const taken: Hex[] = [];
    for (let n = from; ; n++) {
      const refused = await store.append(alice, id(n), new Uint8Array(size), originOf?.(n)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refused !== undefined) return { taken, refused };
      taken.push(id(n));
    }
  };
  const stored = async (store: MailStore): Promise<Hex[]> =>
    (await store.read(alice, 0n, { count: 5_000, bytes: 2 ** 30 })).map(({ messageId }) => messageId);
  const fullUntilEmptied = async (store: MailStore): Promise<void> => {
    const { taken, refused } = await fill(store);
    assert.ok(isRelayError(refused, 'mailbox-full'), String(refused));
    assert.ok(taken.length > 20);
    await assert.rejects(store.check(), (error) => isRelayError(error, 'mailbox-full'));
    assert.deepEqual(await stored(store), taken);
    await store.ack(alice, everything);
    await store.check();
    assert.equal((await store.append(alice, id(1), new Uint8Array(size))).duplicate, true);
    assert.equal((await store.append(alice, id(9_999), new Uint8Array(size))).duplicate, false);
  };

  it('refuses at the limit of the server, loses nothing that it took, and takes more when there is room', async () => {
    await fullUntilEmptied(await open(await start({ jetstream: 'max_file_store: 2MB' })));
  });

  it('refuses at the limit of the account, loses nothing that it took, and takes more when there is room', async () => {
    const users = 'users: [{ user: relay, password: word }]';
    const server = await start({ config: `accounts { A { jetstream { max_file: 2MB }, ${users} } }` });
    await fullUntilEmptied(await open(server, 'relay:word'));
  });

  it('leaves the second half of what the account may store to known senders', async () => {
    const users = 'users: [{ user: relay, password: word }]';
    const server = await start({ config: `accounts { A { jetstream { max_file: 2MB }, ${users} } }` });
    const store = await open(server, 'relay:word');
    const strange = await fill(store, 1, (n) => ({ sender: id(n), isKnown: false }));
    assert.ok(isRelayError(strange.refused, 'mailbox-full') && strange.refused.message.includes('known senders'));
    const known = await fill(store, 1_000, (n) => ({ sender: id(n), isKnown: true }));
    assert.ok(isRelayError(known.refused, 'mailbox-full'));
    assert.ok(strange.taken.length > 20 && known.taken.length > 20, `${strange.taken.length}, ${known.taken.length}`);
  });

  it('refuses on a full disk, and has all that it took when there is room again', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'khala-relay-nats-'));
    steps.push(() => rm(folder, { recursive: true }));
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]).then(
      () => true,
      () => false,
    );
    // Needs the right to mount a small file system.
    if (!mounted) this.skip();
    steps.push(() => run('umount', [folder]));
    const server = await start({ folder, jetstream: 'max_file_store: 1GB' });
    const store = await open(server);
    const { taken, refused } = await fill(store);
    assert.ok(isRelayError(refused, 'mail-store-failed') || isRelayError(refused, 'mailbox-full'), String(refused));
    assert.ok(taken.length > 20);
    await assert.rejects(store.check());
    await server.kill();
    await run('mount', ['-o', 'remount,size=64m', folder]);
    await server.start();
    const again = await open(server);
    const held = new Set(await stored(again));
    assert.ok(taken.every((each) => held.has(each)));
    // What was refused may be stored all the same: appending it again tells, and it is there once.
    await again.append(alice, id(taken.length + 1), new Uint8Array(size));
    assert.deepEqual(await stored(again), [...taken, id(taken.length + 1)]);
    await again.check();
  }).timeout(60_000);
});
