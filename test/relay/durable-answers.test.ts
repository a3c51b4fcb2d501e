import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import type { Relay } from '../../src/relay/index.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, carol, Cleanup, message, type Entity } from './support.ts';

/** A store whose appends are done and not told of until `finish` is called. */
function held(store: MailStore): { readonly appends: () => number; readonly finish: () => void } {
  const append = store.append.bind(store);
  let count = 0;
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  store.append = async (...message) => {
    count += 1;
    const appended = await append(...message);
    await finished;
    return appended;
  };
  return { appends: () => count, finish: () => finish() };
}

describe('relay: answers', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const start = async () => {
    const stores = { mailStore: await cleanup.store(), forwardStore: await cleanup.store() };
    const workerState = {
      get: (id: string) => (id === carol.identity ? { endpoints: ['http://127.0.0.1:1'] } : undefined),
    };
    return { ...stores, relay: await cleanup.relay({ ...stores, workerState }) };
  };
  const byHttp = async ({ url }: Relay, to: Entity): Promise<unknown> => {
    const headers = { 'content-type': 'application/octet-stream' };
    const body = Uint8Array.from(message(alice, to).bytes);
    const answer = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body });
    return ((await answer.json()) as { readonly status: unknown }).status;
  };

  for (const [name, to, status] of [
    ['mailStore', bob, 'stored'],
    ['forwardStore', carol, 'forwarded'],
  ] as const)
    it(`say ${status} when the message is durable and not before, by HTTP and by WebSocket`, async () => {
      const { relay, ...stores } = await start();
      const { appends, finish } = held(stores[name]);
      const raw = await RawSocket.open(relay.url, cleanup);
      const told: unknown[] = [];
      const posted = byHttp(relay, to).then((answer) => told.push(answer));
      raw.send({ type: 'send', id: 1, signedEnvelope: message(alice, to).bytes });
      await until(() => appends() === 2);
      // Others are answered meanwhile, on the same connection too.
      await raw.challenge(2);
      assert.equal((await fetch(`${relay.url}/healthz`)).status, 200);
      assert.deepEqual([told, raw.all('receipt')], [[], []]);
      finish();
      await posted;
      assert.deepEqual([told, (await raw.next('receipt')).status], [[status], status]);
    });

  it('to acknowledgements that come while one is written are of one more write together', async () => {
    const { relay, mailStore } = await start();
    const count = 64;
    const sent = Array.from({ length: count }, () => message(alice, bob));
    await Promise.all(sent.map(({ id, bytes }) => mailStore.append(bob.identity, id, bytes)));
    const ack = mailStore.ack.bind(mailStore);
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const written: bigint[] = [];
    mailStore.ack = async (recipient, upTo) => {
      written.push(upTo);
      await finished;
      await ack(recipient, upTo);
    };
    const raw = await RawSocket.open(relay.url, cleanup);
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: count });
    await raw.next('delivery', count - 1);
    const cursors = raw.all('delivery').map(({ cursor }) => cursor);
    for (const upTo of cursors) raw.send({ type: 'ack', upTo });
    await until(() => written.length > 0);
    // Answered after all of these were read.
    await raw.challenge(9);
    finish();
    await until(async () => (await mailStore.stats(bob.identity)).count === 0);
    assert.deepEqual(written, [cursors[0], cursors.at(-1)]);
    assert.equal((await raw.next('acked', 1)).upTo, cursors.at(-1));
  });
});
