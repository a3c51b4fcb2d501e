import assert from 'node:assert/strict';
import { afterEach, it } from 'mocha';
import { createRelayClient } from '../../src/relay/index.ts';
import { freePort } from '../support/free-port.ts';
import { describeNats, startNats } from '../support/nats-server.ts';
import { startTcpBalancer } from '../support/tcp-balancer.ts';
import { until } from '../support/until.ts';
import { startRelayProcess } from './jetstream-crew.ts';
import { textOf } from './raw-socket.ts';
import { alice, bob, Cleanup, genesisHash, message, signer } from './support.ts';

describeNats('relay processes on one JetStream, behind one address', function () {
  this.timeout(120_000);
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const count = 3;

  const start = async () => {
    const nats = [cleanup.add(await startNats(), (made) => made.stop())];
    const ports = await Promise.all(Array.from({ length: count }, freePort));
    const balancer = cleanup.add(await startTcpBalancer(ports), (made) => made[Symbol.asyncDispose]());
    const publicUrl = `http://127.0.0.1:${balancer.port}`;
    const relays = await Promise.all(ports.map((port) => startRelayProcess(cleanup, nats, { port, publicUrl })));
    return { balancer, publicUrl, relays };
  };
  const client = () =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true, timeoutMs: 20_000 }), (made) => made.stop());
  const receive = (url: string): string[] => {
    const received: string[] = [];
    const subscription = client()
      .receive({ url, identity: bob.identity, sign: signer(bob), backoff: { firstMs: 5, mostMs: 100 } })
      .subscribe((event) => {
        if (event.type !== 'delivery') return;
        received.push(textOf(event.signedEnvelope));
        event.ack();
      });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    return received;
  };
  /** Each by a connection of its own, until one of the relays keeps it. */
  const send = async (url: string, text: string): Promise<void> => {
    const { bytes } = message(alice, bob, { text });
    for (;;) {
      const sender = createRelayClient({ genesisHash, allowPrivate: true });
      const isTaken = await sender.send(bytes, [url]).then(
        () => true,
        () => false,
      );
      await sender.stop();
      if (isTaken) return;
    }
  };
  const texts = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `mail ${from + n}`);

  it('take mail at any of them, and give it to a recipient that is connected to any', async () => {
    const { balancer, publicUrl } = await start();
    const ws = publicUrl.replace('http', 'ws');
    const received = receive(ws);
    for (const text of texts(0, 60)) await send(publicUrl, text);
    await until(() => received.length === 60);
    // Wherever it comes out next time.
    for (let move = 1; move <= 2 * count; move++) {
      balancer.cut();
      for (const text of texts(60 * move, 60 * move + 10)) await send(ws, text);
      await until(() => received.length === 60 + 10 * move);
    }
    assert.equal(new Set(received).size, received.length);
    assert.equal(balancer.served.size, count);
    assert.ok([...balancer.served.values()].every((connections) => connections > 10));
  });

  it('lose nothing when one is killed and one is stopped under load: the address goes on', async () => {
    const { publicUrl, relays } = await start();
    const ws = publicUrl.replace('http', 'ws');
    const received = receive(ws);
    const taken = new Set<string>();
    let running = true;
    const isOver = (): boolean => !running;
    const senders = Promise.all(
      Array.from({ length: 8 }, async (_, sender) => {
        for (let n = 0; !isOver(); n++) {
          const text = `mail ${sender} ${n}`;
          await send(n % 2 === 0 ? publicUrl : ws, text);
          taken.add(text);
        }
      }),
    );
    const goOn = async (): Promise<void> => {
      const [before, had] = [taken.size, received.length];
      await until(() => taken.size > before + 50 && received.length > had + 50);
    };
    await goOn();
    await relays[0]?.kill();
    await goOn();
    assert.equal(await relays[1]?.end(), 0);
    await goOn();
    await relays[0]?.start();
    await relays[1]?.start();
    assert.equal(await relays[2]?.end(), 0);
    await goOn();
    running = false;
    await senders;
    await until(() => {
      const got = new Set(received);
      return [...taken].every((text) => got.has(text));
    });
    assert.equal(new Set(received).size, received.length);
  });
});
