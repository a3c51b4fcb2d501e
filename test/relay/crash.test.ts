import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, it } from 'mocha';
import { createRelayClient, type RelayClient } from '../../src/relay/index.ts';
import { Random } from '../soak/random.ts';
import { followHandedOut } from './handed-out.ts';
import { linesOf } from './lines-of.ts';
import { textOf } from './raw-socket.ts';
import type { RelayChildOptions } from './relay-child.ts';
import { bundled } from '../support/bundle.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { alice, bob, Cleanup, entity, genesisHash, message, sealedMessage, signer, type Entity } from './support.ts';

const programOf = (name: string): Promise<string> => bundled(new URL(`${name}-child.ts`, import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
}

interface Load {
  readonly acknowledged: ReadonlySet<string>;
  /** Resolves when all that was under way is answered, or given up. */
  end(): Promise<void>;
}

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

  const start = async (folder: string, wanted?: number, options: RelayChildOptions = {}): Promise<Started> => {
    const port = wanted ?? (await freePort());
    const args = [await programOf('relay'), folder, String(port), JSON.stringify(options)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanup.add(child, () => child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    return { child, url, port };
  };
  const client = () =>
    cleanup.add(createRelayClient({ genesisHash, allowPrivate: true, timeoutMs: 60_000 }), (made) => made.stop());

  /** Keeps as many messages under way as there are senders; collects what was acknowledged. */
  const load = (
    url: string,
    senders: readonly Entity[],
    {
      make = (sender: Entity, text: string) => message(sender, bob, { text }),
      isAhead = (_acknowledged: number): boolean => false,
    } = {},
  ): Load => {
    const carrier = client();
    const state = { running: true, acknowledged: new Set<string>(), sent: 0 };
    const lanes = senders.map(async (sender) => {
      while (state.running) {
        const text = `${sender.identity} ${state.sent++}`;
        const { bytes } = make(sender, text);
        // What fails is sent again, as a client's outbox does: idempotent.
        while (isAhead(state.acknowledged.size) || !(await isTaken(carrier, url, bytes))) {
          if (isOver(state)) return;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        state.acknowledged.add(text);
      }
    });
    return {
      acknowledged: state.acknowledged,
      end: async () => {
        state.running = false;
        await Promise.all(lanes);
      },
    };
  };

  it('lose nothing acknowledged and deliver nothing twice, when killed under load again and again: who keeps mail, who forwards to it, and who opens its own', async () => {
    const folders = { keeps: await cleanup.folder(), forwards: await cleanup.folder(), opens: await cleanup.folder() };
    const keeps = await start(folders.keeps);
    const options = { keeps: {}, forwards: { next: keeps.url }, opens: { isOwn: true } };
    const again = (name: keyof typeof folders, port?: number) => start(folders[name], port, options[name]);
    const [forwards, opens] = await Promise.all([again('forwards'), again('opens')]);
    const relays = { keeps, forwards, opens };
    const urls = {
      keeps: keeps.url.replace('http', 'ws'),
      forwards: forwards.url.replace('http', 'ws'),
      opens: opens.url.replace('http', 'ws'),
    };
    const received = new Set<string>();
    const repeated: string[] = [];
    const arrived = { keeps: 0, forwards: 0 };
    const subscription = client()
      .receive({ url: urls.keeps, identity: bob.identity, sign: signer(bob), backoff: { firstMs: 5, mostMs: 20 } })
      .subscribe({
        next: (event) => {
          if (event.type !== 'delivery') return;
          const text = textOf(event.signedEnvelope);
          if (received.has(text)) repeated.push(text);
          received.add(text);
          arrived[text.startsWith(alice.identity) ? 'keeps' : 'forwards'] += 1;
          event.ack();
        },
        error: (error: unknown) => repeated.push(String(error)),
      });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    // A queue for each of them.
    const others = Array.from({ length: 16 }, (_, n) => entity(`forwarded ${n}`));
    const loads = {
      keeps: load(urls.keeps, Array<Entity>(32).fill(alice)),
      forwards: load(urls.forwards, others, { isAhead: (acknowledged) => acknowledged > arrived.forwards + 200 }),
      opens: load(urls.opens, Array<Entity>(8).fill(alice), {
        make: (sender, text) => sealedMessage(sender, bob, text),
      }),
    };
    const names = ['keeps', 'forwards', 'opens'] as const;
    const counts = () => [...names.map((name) => loads[name].acknowledged.size - 50), arrived.keeps, arrived.forwards];
    for (const victims of [['keeps', 'opens'], ['forwards'], ['opens'], names] as const) {
      const before = [...names.map((name) => loads[name].acknowledged.size), arrived.keeps, arrived.forwards];
      await until(() => counts().every((count, at) => count > (before[at] ?? 0)));
      for (const victim of victims) relays[victim].child.kill('SIGKILL');
      await Promise.all(victims.map((victim) => once(relays[victim].child, 'exit')));
      await Promise.all(victims.map(async (victim) => (relays[victim] = await again(victim, relays[victim].port))));
    }
    await Promise.all(names.map((name) => loads[name].end()));
    const mail = [...loads.keeps.acknowledged, ...loads.forwards.acknowledged];
    await until(() => mail.every((text) => received.has(text)));
    assert.deepEqual(repeated, []);
    const handedOut = followHandedOut(join(folders.opens, 'received'));
    await until(() => {
      const got = new Set(handedOut().texts);
      return [...loads.opens.acknowledged].every((text) => got.has(text));
    });
    assert.deepEqual(handedOut().repeated, []);
  }).timeout(600_000);

  const seed = Number(process.env['KHALA_RELAY_SEED'] ?? Date.now() % 2 ** 31);
  it(`lose nothing acknowledged and let nothing through twice: relay, sender and recipient killed at random (KHALA_RELAY_SEED=${seed})`, async () => {
    const random = new Random(seed);
    const folder = await cleanup.folder();
    let relay = await start(join(folder, 'mail'));
    const url = `ws://127.0.0.1:${relay.port}`;
    const read = followHandedOut(join(folder, 'received'));
    const receive = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [await programOf('recipient'), url, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      cleanup.add(child, () => child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      return child;
    };
    const sent = { folder: await cleanup.folder(), lines: (name: string) => linesOf(join(sent.folder, name)) };
    const sender = await programOf('sender');
    const send = (): ChildProcess => {
      const child = spawn(process.execPath, [sender, sent.folder, url], {
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
    const { acknowledged, end } = load(first.url.replace('http', 'ws'), Array<Entity>(64).fill(alice));
    await until(() => acknowledged.size > 300);
    first.child.kill('SIGTERM');
    const [code] = (await once(first.child, 'exit')) as [number | null];
    assert.equal(code, 0);
    await end();
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
    await until(() => [...acknowledged].every((text) => received.has(text)));
  }).timeout(60_000);
});
