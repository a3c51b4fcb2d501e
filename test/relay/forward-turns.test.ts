import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'mocha';
import { pino } from 'pino';
import type { Hex } from '../../src/codec/index.ts';
import { createForwarder, type ForwarderOptions } from '../../src/relay/forward.ts';
import { createIngest } from '../../src/relay/ingest.ts';
import { Metrics } from '../../src/relay/metrics.ts';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import { ResolvedNames } from '../../src/relay/resolved-names.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, entity, genesisHash, message, type Entity } from './support.ts';

interface Refusal {
  readonly status: number;
  readonly code: string;
}

describe('relay: turns of what is forwarded', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());
  const ingest = createIngest({ genesisHash, maxMessageBytes: 100_000 });

  /**
   * What stands at an address: says nothing, takes what it is asked to, or refuses it. `asked`: by which hosts. It answers no
   * sooner than `mayAnswer` resolves.
   */
  const stand = async (
    address: string,
    asked: string[],
    does: 'silent' | 'takes' | Refusal,
    mayAnswer?: Promise<void>,
  ): Promise<number> => {
    const server: Server = createServer((request, response) => {
      asked.push(request.headers.host ?? '');
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      if (does === 'silent') return;
      request.on('end', () => {
        if (does !== 'takes') {
          void Promise.resolve(mayAnswer).then(() => {
            response.writeHead(does.status, { 'content-type': 'application/problem+json' });
            response.end(JSON.stringify({ ...does, title: does.code, detail: does.code }));
          });
          return;
        }
        // Forwarded is a byte of hops and a length before the signed envelope.
        const all = Buffer.concat(chunks);
        const start = 1 + ((all[1] ?? 0) % 4 === 0 ? 1 : 2);
        const { messageId } = ingest(Uint8Array.from(all.subarray(start)));
        response.writeHead(202, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ messageId, status: 'stored' }));
      });
    });
    cleanup.add(server, () => {
      server.close().closeAllConnections();
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    return (server.address() as AddressInfo).port;
  };

  /** `resolve`: what a name stands for. */
  const make = async (
    endpointsOf: (to: Hex) => readonly string[],
    resolve: (name: string) => string | Promise<string>,
    options: Partial<ForwarderOptions>,
    now?: () => number,
  ) => {
    const store = await cleanup.store();
    const names = new ResolvedNames((name, callback) => {
      const answer = (address: string): void => {
        callback(null, [{ address, family: 4 }]);
      };
      const found = resolve(name);
      if (typeof found === 'string') answer(found);
      else void found.then(answer);
    }, now);
    const { allowPrivate = true } = options;
    const transport = createNodeTransport({ allowPrivate, resolve: names.resolve });
    cleanup.add(transport, () => transport.close());
    const forwarder = createForwarder({
      ...{ store, mailStore: store, transport, names, allowPrivate },
      router: (to) => ({ kind: 'forward', endpoints: endpointsOf(to) }),
      metrics: new Metrics({ maxAgeMs: 0 }),
      logger: pino({ enabled: false }),
      maxAgeMs: 86_400_000,
      clock: Date.now,
      ...options,
    });
    await forwarder.start();
    cleanup.add(forwarder, () => forwarder.stop());
    const send = (to: Entity) =>
      forwarder.add(ingest(message(alice, to).bytes), 0, { sender: alice.identity, isKnown: true });
    return { send, store };
  };

  it('are shared by what leads to one address, whatever names it has', async () => {
    const [silent, honest]: [string[], string[]] = [[], []];
    const [pit, good] = [await stand('127.0.0.1', silent, 'silent'), await stand('127.0.0.2', honest, 'takes')];
    const tenants = Array.from({ length: 64 }, (_, n) => entity(`tenant ${n}`));
    const { send } = await make(
      (to) =>
        to === bob.identity
          ? [`http://good.example:${good}`]
          : [`http://t${tenants.findIndex(({ identity }) => identity === to)}.wild.example:${pit}`],
      (name) => (name === 'good.example' ? '127.0.0.2' : '127.0.0.1'),
      // One place of four for an address; none would be left in a minute.
      { concurrency: 4, attemptMs: 60_000 },
    );
    for (const tenant of tenants) await send(tenant);
    await until(() => silent.length > 0);
    await send(bob);
    await until(() => honest.length === 1);
    assert.equal(silent.length, 1);
  });

  it('are not taken by names that are looked up', async () => {
    const honest: string[] = [];
    const good = await stand('127.0.0.2', honest, 'takes');
    const tenants = Array.from({ length: 64 }, (_, n) => entity(`tenant ${n}`));
    const lookups: ((address: string) => void)[] = [];
    const { send } = await make(
      (to) =>
        to === bob.identity
          ? [`http://good.example:${good}`]
          : [`http://t${tenants.findIndex(({ identity }) => identity === to)}.example:1`],
      (name) => (name === 'good.example' ? '127.0.0.2' : new Promise((resolve) => lookups.push(resolve))),
      { concurrency: 8, attemptMs: 60_000, backoff: { firstMs: 600_000, mostMs: 600_000 } },
    );
    for (const tenant of tenants) await send(tenant);
    await until(() => lookups.length === tenants.length);
    await send(bob);
    await until(() => honest.length === 1);
    for (const answer of lookups) answer('127.0.0.3');
  });

  it('begin no further attempt when their time is over, so that others have theirs', async () => {
    // In the order in which they are asked, whoever it is.
    const asked: string[] = [];
    let goOn = (): void => undefined;
    const mayRefuse = new Promise<void>((resolve) => (goOn = resolve));
    const hosts: string[] = [];
    for (let i = 0; i < 4; i++)
      hosts.push(`127.0.0.1:${await stand('127.0.0.1', asked, { status: 403, code: 'sender-refused' }, mayRefuse)}`);
    const good = `127.0.0.1:${await stand('127.0.0.1', asked, 'takes')}`;
    const turnMs = 1;
    const { send } = await make(
      // No names, which would be another turn's until they are looked up.
      (to) => (to === bob.identity ? [good] : hosts).map((host) => `http://${host}`),
      () => assert.fail('no name is there'),
      { concurrency: 1, attemptMs: 60_000, turnMs, backoff: { firstMs: 600_000, mostMs: 600_000 } },
    );
    await send(carol);
    await until(() => asked.length === 1);
    const begun = performance.now();
    await send(bob);
    await until(() => performance.now() > begun + turnMs);
    goOn();
    // The others are tried all the same.
    await until(() => asked.length === 5);
    const [first, ...others] = hosts;
    assert.deepEqual(asked, [first, good, ...others]);
  });

  it('are of one address: who refuses at once at its first endpoint takes no more places at its second', async () => {
    const [silent, honest]: [string[], string[]] = [[], []];
    const [pit, good] = [await stand('127.0.0.1', silent, 'silent'), await stand('127.0.0.2', honest, 'takes')];
    const tenants = Array.from({ length: 16 }, (_, n) => entity(`tenant ${n}`));
    const { send } = await make(
      (to) =>
        to === bob.identity
          ? ['http://127.0.0.3:1', `http://good.example:${good}`]
          : ['http://127.0.0.3:1', `http://t${tenants.findIndex(({ identity }) => identity === to)}.example:${pit}`],
      (name) => (name === 'good.example' ? '127.0.0.2' : '127.0.0.1'),
      // Two places of eight for an address.
      { concurrency: 8, attemptMs: 60_000 },
    );
    for (const tenant of tenants) await send(tenant);
    await until(() => silent.length === 2);
    await send(bob);
    await until(() => honest.length === 1);
    assert.equal(silent.length, 2);
  });

  it('are so too where the first endpoint answers that it takes nothing of that sender', async () => {
    const [silent, refused, honest]: [string[], string[], string[]] = [[], [], []];
    const [pit, good] = [await stand('127.0.0.1', silent, 'silent'), await stand('127.0.0.2', honest, 'takes')];
    const refuses = await stand('0.0.0.0', refused, { status: 403, code: 'sender-refused' });
    const tenants = Array.from({ length: 16 }, (_, n) => entity(`tenant ${n}`));
    const { send } = await make(
      (to) =>
        to === bob.identity
          ? [`http://127.0.0.2:${good}`]
          : [
              `http://127.0.1.${tenants.findIndex(({ identity }) => identity === to)}:${refuses}`,
              `http://127.0.0.1:${pit}`,
            ],
      (name) => name,
      { concurrency: 8, attemptMs: 60_000 },
    );
    for (const tenant of tenants) await send(tenant);
    await until(() => refused.length === tenants.length);
    await send(bob);
    await until(() => honest.length === 1 && silent.length >= 2);
    assert.equal(silent.length, 2);
  });

  it('come for names that are forgotten while they wait, also among those that failed', async () => {
    let now = 0;
    const tried: string[] = [];
    const tenants = Array.from({ length: 8 }, (_, n) => entity(`tenant ${n}`));
    const { send } = await make(
      (to) => {
        const n = tenants.findIndex(({ identity }) => identity === to);
        return [n < 0 ? 'http://good.example:1' : `http://127.0.1.${n}:1`];
      },
      () => '127.0.0.2',
      {
        concurrency: 1,
        backoff: { firstMs: 1, mostMs: 1 },
        transport: {
          post: async (url: string) => {
            // Longer than the pauses: others always wait for a turn.
            await new Promise((resolve) => setTimeout(resolve, 5));
            tried.push(url);
            // What was known of names is not any more when the next has its turn.
            now += 61_000;
            throw new Error('down');
          },
        } as unknown as ForwarderOptions['transport'],
      },
      () => now,
    );
    for (const tenant of tenants) await send(tenant);
    await send(bob);
    await until(() => tried.filter((url) => url.includes('good.example')).length >= 5);
  });

  it('dial no name that leads inside, whatever it is, and what is for it is kept', async () => {
    const asked: string[] = [];
    const port = await stand('127.0.0.1', asked, 'takes');
    const metrics = new Metrics({ maxAgeMs: 0 });
    const { send, store } = await make(
      (to) => [`http://${to === bob.identity ? 'loopback' : 'metadata'}.example:${port}`],
      (name) => (name === 'loopback.example' ? '127.0.0.1' : '169.254.169.254'),
      { allowPrivate: false, metrics, backoff: { firstMs: 1, mostMs: 1 } },
    );
    for (const to of [bob, carol]) assert.equal(await send(to), 'queued');
    await until(async () => /forwards_total\{outcome="failed"\} \d\d/.test(await metrics.exposition()));
    assert.deepEqual([asked, (await store.totals()).count], [[], 2]);
  });

  it('are taken by what is too old without a look for where it was to go', async () => {
    const asked: string[] = [];
    const { send, store } = await make(
      () => ['http://good.example:1'],
      (name) => {
        asked.push(name);
        return '127.0.0.2';
      },
      { maxAgeMs: -1 },
    );
    await send(bob);
    await until(async () => (await store.totals()).count === 0);
    assert.deepEqual(asked, []);
  });

  for (const [status, code, scope] of [
    [507, 'mailbox-full', undefined],
    [404, 'recipient-not-served', undefined],
    [429, 'rate-limited', 'this sender'],
    [429, 'rate-limited', 'strangers to this recipient'],
  ] as const)
    it(`are as ever at a relay that answered another's message with ${code}${scope === undefined ? '' : ` of ${scope}`}`, async () => {
      let [atPit, atRelay] = [0, 0];
      const problem = {
        status,
        code,
        title: code,
        detail: code,
        details: { ...(scope === undefined ? {} : { scope }) },
      };
      const { send } = await make(
        (to) => [to === carol.identity ? 'http://127.0.0.1:1' : 'http://127.0.0.2:1'],
        (name) => name,
        {
          // One place of four for what failed: a silent address has it.
          ...{ concurrency: 4, attemptMs: 60_000, backoff: { firstMs: 1, mostMs: 1 } },
          transport: {
            post: async (url: string, _: Uint8Array, signal: AbortSignal) => {
              if (url.includes('127.0.0.1')) {
                atPit += 1;
                if (atPit > 1) await once(signal, 'abort');
                throw new Error('down');
              }
              atRelay += 1;
              return { status, body: Buffer.from(JSON.stringify(problem)) };
            },
          } as unknown as ForwarderOptions['transport'],
        },
      );
      await send(carol);
      await until(() => atPit === 2);
      await send(bob);
      await until(() => atRelay === 1);
      await send(entity('another at that relay'));
      await until(() => atRelay === 2);
    });
});
