import assert from 'node:assert/strict';
import { afterEach, it } from 'mocha';
import { createRelayClient } from '../../src/relay/index.ts';
import { describeNats, startNats, startNatsCluster, type NatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { startRecipientProcess, startRelayProcess, startSenderProcess, type Victim } from './jetstream-crew.ts';
import { textOf } from './raw-socket.ts';
import type { RelayChildOptions } from './relay-child.ts';
import { alice, bob, Cleanup, entity, genesisHash, message, sealedMessage, signer } from './support.ts';

const kills = 6;
const senders = 32;

describeNats('relays on one JetStream: crashes', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const startRelay = (nats: readonly NatsServer[], options: RelayChildOptions = {}) =>
    startRelayProcess(cleanup, nats, options);
  const natsOf = (servers: readonly NatsServer[]): Victim[] =>
    servers.map((server) => ({
      name: `nats ${server.port}`,
      kill: () => server.kill(),
      start: () => server.start(),
    }));
  const client = () =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true, timeoutMs: 20_000 }), (made) => made.stop());

  /** Senders at all relays; what one of them acknowledged is collected. */
  const load = (
    urls: readonly string[],
    messageOf = (text: string): Uint8Array => message(alice, bob, { text }).bytes,
    isAhead = (_acknowledged: number): boolean => false,
  ) => {
    const state = { running: true, acknowledged: new Set<string>(), sent: 0 };
    const isOver = (): boolean => !state.running;
    const sender = client();
    const done = Promise.all(
      Array.from({ length: senders }, async (_, at) => {
        while (!isOver()) {
          // Of who reads: what is stored must be read in the end.
          if (isAhead(state.acknowledged.size)) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            continue;
          }
          const text = `mail ${state.sent++}`;
          const bytes = messageOf(text);
          // What fails is sent again, to the next relay: idempotent.
          for (let attempt = at; ; attempt++) {
            const url = urls[attempt % urls.length] ?? '';
            const isTaken = await sender.send(bytes, [url]).then(
              () => true,
              () => false,
            );
            if (isTaken) break;
            if (isOver()) return;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
          state.acknowledged.add(text);
        }
      }),
    );
    return { state, done };
  };

  const receive = (url: string, received: string[]) => {
    const subscription = client()
      .receive({ url, identity: bob.identity, sign: signer(bob), backoff: { firstMs: 5, mostMs: 100 } })
      .subscribe({
        next: (event) => {
          if (event.type !== 'delivery') return;
          received.push(textOf(event.signedEnvelope));
          event.ack();
        },
        error: (error: unknown) => received.push(String(error)),
      });
    return cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
  };

  /** Kills one after the other under load, each when the load goes on after the one before. */
  const ordeal = async (relays: readonly { readonly url: string }[], victims: readonly Victim[]): Promise<void> => {
    const received: string[] = [];
    receive(relays[0]?.url ?? '', received);
    // What is forwarded is a queue for each of them.
    const from = Array.from({ length: 16 }, (_, n) => entity(`sender ${n}`));
    const { state, done } = load(
      relays.map(({ url }) => url),
      (text) => message(from[Number(text.slice('mail '.length)) % from.length] ?? alice, bob, { text }).bytes,
      (acknowledged) => acknowledged > received.length + 300,
    );
    for (const victim of victims) {
      const before = { acknowledged: state.acknowledged.size, received: received.length };
      await until(() => state.acknowledged.size > before.acknowledged + 200 && received.length > before.received + 50);
      await victim.kill();
      await victim.start();
    }
    const last = state.acknowledged.size;
    await until(() => state.acknowledged.size > last + 200);
    state.running = false;
    await done;
    await until(() => {
      const got = new Set(received);
      return [...state.acknowledged].every((text) => got.has(text));
    });
    assert.equal(new Set(received).size, received.length);
  };

  it('lose nothing acknowledged and deliver nothing twice: relays, one that forwards to them and nats-server killed in turns', async () => {
    const nats = [cleanup.add(await startNats(), (made) => made.stop())];
    const relays = [await startRelay(nats), await startRelay(nats)];
    const [server] = natsOf(nats);
    const [first, second] = relays;
    assert.ok(server !== undefined && first !== undefined && second !== undefined);
    const forwards = await startRelay(nats, { next: first.url });
    await ordeal([...relays, forwards], [server, first, forwards, second, server, forwards]);
  }).timeout(180_000);

  it('lose nothing acknowledged and deliver nothing twice: nodes of a cluster of three killed in turns', async () => {
    const nats = await startNatsCluster();
    for (const made of nats) cleanup.add(made, () => made.stop());
    const relays = [await startRelay(nats), await startRelay(nats)];
    await ordeal(relays, natsOf(nats));
  }).timeout(240_000);

  const seed = Number(process.env['KHALA_RELAY_SEED'] ?? Date.now() % 2 ** 31);
  it(`lose nothing acknowledged and deliver nothing twice: relays, one that forwards to them, nats-server, sender and recipient killed at random (KHALA_RELAY_SEED=${seed})`, async () => {
    const random = randomOf(seed);
    const nats = [cleanup.add(await startNats(), (made) => made.stop())];
    const first = await startRelay(nats);
    const relays = [first, await startRelay(nats), await startRelay(nats, { next: first.url })];
    const urls = relays.map(({ url }) => url);
    const recipient = await startRecipientProcess(cleanup, first.url);
    const sender = await startSenderProcess(cleanup, urls);
    const victims: readonly Victim[] = [...natsOf(nats), ...relays, recipient, sender];
    let isAhead = false;
    const { state, done } = load(
      urls,
      (text) => sealedMessage(alice, bob, text).bytes,
      () => isAhead,
    );
    const looking = setInterval(() => {
      const acknowledged = state.acknowledged.size + sender.acknowledged().length;
      isAhead = acknowledged > recipient.handedOut().texts.length + 500;
      sender.holdBack(isAhead);
    }, 100);
    cleanup.add(looking, () => {
      clearInterval(looking);
    });
    for (let kill = 0; kill < kills; kill++) {
      const [taken, before] = [state.acknowledged.size, recipient.handedOut().texts.length];
      const [more, received] = [Math.floor(random() * 300), Math.floor(random() * 100)];
      await until(
        () => state.acknowledged.size > taken + more && recipient.handedOut().texts.length > before + received,
      );
      // One or two at once, back in any order.
      const chosen = victims.toSorted(() => random() - 0.5).slice(0, 1 + Math.floor(random() * 2));
      await Promise.all(chosen.map((victim) => victim.kill()));
      await Promise.all(chosen.toSorted(() => random() - 0.5).map((victim) => victim.start()));
    }
    const [last, own] = [state.acknowledged.size, sender.acknowledged().length];
    await until(() => state.acknowledged.size > last + 200 && sender.acknowledged().length > own);
    state.running = false;
    await done;
    await sender.kill();
    const all = [...state.acknowledged, ...sender.acknowledged()];
    await until(() => {
      const got = new Set(recipient.handedOut().texts);
      return all.every((text) => got.has(text));
    });
    const { texts, repeated } = recipient.handedOut();
    assert.deepEqual(repeated, []);
    const sent = new Set([...sender.queued(), ...Array.from({ length: state.sent }, (_, n) => `mail ${n}`)]);
    assert.deepEqual(
      texts.filter((text) => !sent.has(text)),
      [],
    );
  }).timeout(420_000);

  it('goes on with two nodes of three while the third is away, and serves the recipient at any relay', async () => {
    const nats = await startNatsCluster();
    for (const made of nats) cleanup.add(made, () => made.stop());
    const relays = [await startRelay(nats), await startRelay(nats)];
    const { state, done } = load(relays.map(({ url }) => url));
    const received: string[] = [];
    const isAllReceived = (): boolean => {
      const got = new Set(received);
      return [...state.acknowledged].every((text) => got.has(text));
    };
    await until(() => state.acknowledged.size > 200);
    await nats[0]?.kill();
    const away = state.acknowledged.size;
    const atFirst = receive(relays[0]?.url ?? '', received);
    await until(() => state.acknowledged.size > away + 200 && received.length > 100);
    // It goes to another relay; the first one has no part in it any more.
    atFirst.unsubscribe();
    receive(relays[1]?.url ?? '', received);
    const moved = received.length;
    await until(() => received.length > moved + 200);
    state.running = false;
    await done;
    await until(isAllReceived);
    assert.ok(received.every((text) => text.startsWith('mail ')));
    await nats[0]?.start();
  }).timeout(180_000);
});

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
