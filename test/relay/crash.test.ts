import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, it } from 'mocha';
import { createRelayClient, type RelayClient } from '../../src/relay/index.ts';
import { Random } from '../soak/random.ts';
import { readHandedOut } from './handed-out.ts';
import { linesOf } from './lines-of.ts';
import { textOf } from './raw-socket.ts';
import { until } from '../support/until.ts';
import { alice, bob, Cleanup, genesisHash, message, signer } from './support.ts';

const childPath = fileURLToPath(new URL('relay-child.ts', import.meta.url));

const recipientPath = fileURLToPath(new URL('recipient-child.ts', import.meta.url));
const senderPath = fileURLToPath(new URL('sender-child.ts', import.meta.url));

function isOver({ running }: { readonly running: boolean }): boolean {
  return !running;
}

function isTaken(sender: RelayClient, url: string, bytes: Uint8Array): Promise<boolean> {
  return sender.send(bytes, [url]).then(
    () => true,
    () => false,
  );
}

describe('relay: crashes', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const start = async (folder: string, port = 0): Promise<{ child: ChildProcess; url: string; port: number }> => {
    const child = spawn(process.execPath, ['--import', 'tsx', childPath, folder, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanup.add(child, () => child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    return { child, url, port: Number(new URL(url).port) };
  };
  const client = () =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true, timeoutMs: 60_000 }), (made) => made.stop());

  /** Keeps 64 messages under way; collects what was acknowledged. */
  const load = (url: string, state: { running: boolean; acknowledged: Set<string>; sent: number }) => {
    const sender = client();
    return Array.from({ length: 64 }, async () => {
      while (state.running) {
        const text = `mail ${state.sent++}`;
        const { bytes } = message(alice, bob, { text });
        // What fails is sent again, as a client's outbox does: idempotent.
        while (!(await isTaken(sender, url, bytes))) {
          if (isOver(state)) return;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        state.acknowledged.add(text);
      }
    });
  };

  it('lose nothing acknowledged and deliver nothing twice, when killed under load again and again', async () => {
    const folder = await cleanup.folder();
    let relay = await start(folder);
    const { port } = relay;
    const url = `ws://127.0.0.1:${port}`;
    const received: string[] = [];
    const subscription = client()
      .receive({ url, identity: bob.identity, sign: signer(bob), backoff: { firstMs: 5, mostMs: 20 } })
      .subscribe({
        next: (event) => {
          if (event.type !== 'delivery') return;
          received.push(textOf(event.signedEnvelope));
          event.ack();
        },
        error: (error: unknown) => {
          received.push(String(error));
        },
      });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    const state = { running: true, acknowledged: new Set<string>(), sent: 0 };
    const senders = load(url, state);
    for (let round = 1; round <= 4; round++) {
      const before = state.acknowledged.size;
      await until(() => state.acknowledged.size > before + 300 && received.length > before);
      relay.child.kill('SIGKILL');
      await once(relay.child, 'exit');
      relay = await start(folder, port);
    }
    state.running = false;
    await Promise.all(senders);
    await until(() => {
      const got = new Set(received);
      return [...state.acknowledged].every((text) => got.has(text));
    });
    assert.equal(new Set(received).size, received.length);
    assert.ok(state.acknowledged.size > 1200);
  }).timeout(600_000);

  const seed = Number(process.env['KHALA_RELAY_SEED'] ?? Date.now() % 2 ** 31);
  it(`lose nothing acknowledged and let nothing through twice: relay, sender and recipient killed at random (KHALA_RELAY_SEED=${seed})`, async () => {
    const random = new Random(seed);
    const folder = await cleanup.folder();
    let relay = await start(join(folder, 'mail'));
    const url = `ws://127.0.0.1:${relay.port}`;
    const read = () => readHandedOut(join(folder, 'received'));
    const receive = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, ['--import', 'tsx', recipientPath, url, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      cleanup.add(child, () => child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      return child;
    };
    const sent = { folder: await cleanup.folder(), lines: (name: string) => linesOf(join(sent.folder, name)) };
    const send = (): ChildProcess => {
      const child = spawn(process.execPath, ['--import', 'tsx', senderPath, sent.folder, url], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      return cleanup.add(child, () => child.kill('SIGKILL'));
    };
    const running = { relay: relay.child, recipient: await receive(), sender: send() };
    const restart = {
      relay: async () => (relay = await start(join(folder, 'mail'), relay.port)).child,
      recipient: receive,
      sender: async () => send(),
    };
    const all = ['relay', 'recipient', 'sender'] as const;
    for (let round = 1; round <= 6; round++) {
      const [acknowledged, received] = [sent.lines('acknowledged').length, read().texts.length];
      const more = random.below(100);
      await until(() => sent.lines('acknowledged').length > acknowledged + more && read().texts.length > received);
      // One of the seven ways to choose from three.
      const chosen = random.between(1, 7);
      const victims = all.filter((_, at) => (chosen >> at) % 2 === 1);
      for (const victim of victims) running[victim].kill('SIGKILL');
      await Promise.all(victims.map((victim) => once(running[victim], 'exit')));
      for (const victim of victims) running[victim] = await restart[victim]();
    }
    // What it had under way is sent again by the next, and then acknowledged.
    const queued = sent.lines('queued').length;
    await until(() => sent.lines('acknowledged').length >= queued);
    running.sender.kill('SIGKILL');
    await once(running.sender, 'exit');
    await until(() => {
      const got = new Set(read().texts);
      return sent.lines('acknowledged').every((text) => got.has(text));
    });
    assert.deepEqual(read().repeated, []);
  }).timeout(600_000);

  it('loses nothing acknowledged when stopped under load, and answers what it took', async () => {
    const folder = await cleanup.folder();
    const first = await start(folder);
    const state = { running: true, acknowledged: new Set<string>(), sent: 0 };
    const senders = load(first.url.replace('http', 'ws'), state);
    await until(() => state.acknowledged.size > 300);
    first.child.kill('SIGTERM');
    const [code] = (await once(first.child, 'exit')) as [number | null];
    assert.equal(code, 0);
    state.running = false;
    await Promise.all(senders);
    const second = await start(folder);
    const received = new Set<string>();
    const subscription = client()
      .receive({ url: second.url, identity: bob.identity, sign: signer(bob) })
      .subscribe((event) => {
        if (event.type !== 'delivery') return;
        received.add(textOf(event.signedEnvelope));
        event.ack();
      });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    await until(() => [...state.acknowledged].every((text) => received.has(text)));
  }).timeout(60_000);
});
