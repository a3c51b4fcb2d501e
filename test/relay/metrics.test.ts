import assert from 'node:assert/strict';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, carol, Cleanup, message } from './support.ts';

describe('relay: /metrics', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('count what came, was handed out, acknowledged and is to be forwarded, and who logged in', async () => {
    const relay = await cleanup.relay({
      forwardStore: await cleanup.store(),
      workerState: { get: (id) => (id === carol.identity ? { endpoints: ['http://127.0.0.1:1'] } : undefined) },
      limits: { metricsAgeMs: 0 },
    });
    const metrics = async (): Promise<ReadonlyMap<string, number>> => {
      const text = await (await fetch(`${relay.url}/metrics`)).text();
      return new Map(
        [...text.matchAll(/^khala_relay_(\S+) (\S+)$/gm)].map(([, name = '', value]) => [name, Number(value)]),
      );
    };
    const raw = await RawSocket.open(relay.url, cleanup);
    const [first, second] = [message(alice, bob), message(alice, bob)];
    for (const [at, { bytes }] of [first, second, message(alice, carol)].entries())
      raw.send({ type: 'send', id: at + 1, signedEnvelope: bytes });
    await raw.next('receipt', 2);
    const before = await metrics();
    await raw.login(bob, { signer: carol });
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 9 });
    await raw.next('delivery', 1);
    raw.send({ type: 'ack', upTo: raw.all('delivery')[0]?.cursor ?? 0n });
    await raw.next('acked');
    const after = await metrics();
    const told = {
      'messages_total{status="stored"}': [2, 2],
      'messages_total{status="forwarded"}': [1, 1],
      answer_seconds_count: [3, 3],
      forward_queue: [1, 1],
      connections: [1, 1],
      'logins_total{outcome="refused"}': [undefined, 1],
      'logins_total{outcome="accepted"}': [undefined, 1],
      logged_in: [0, 1],
      deliveries_total: [0, 2],
      acknowledged_total: [0, 1],
      mailboxes: [1, 1],
      mailbox_messages: [2, 1],
      mailbox_bytes: [first.bytes.length + second.bytes.length, second.bytes.length],
    };
    assert.deepEqual(
      Object.fromEntries(Object.keys(told).map((name) => [name, [before.get(name), after.get(name)]])),
      told,
      [...after].join('\n'),
    );
  });
});
