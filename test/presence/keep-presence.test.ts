import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import {
  keepPresence,
  publishEndpoints,
  registerEntity,
  type EcdhKeysInUse,
  type KeepPresenceOptions,
  type Presence,
  type PresenceEvent,
} from '../../src/presence/index.ts';
import { endpointCall } from '../../src/presence/publish.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { openVault, type Vault } from '../../src/vault/index.ts';
import { readWorker } from '../../src/worker-state/index.ts';
import { record, type Recorder } from '../chain/support.ts';
import { alice, bob, temporaryFolder } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { epochsOf, newVault, openText, passphrase, sealTo } from '../support/vaults.ts';
import { until } from '../support/until.ts';

const day = 86_400_000;

describe('keepPresence', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let clock: ManualClock;
  let vault: Vault;
  let path: string;
  let store: ReturnType<typeof openMemoryStore>;
  let made = 0;
  let open: AsyncDisposable[];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
  });
  beforeEach(async () => {
    clock = new ManualClock();
    store = openMemoryStore();
    path = join(folder.path, `vault-${made++}`);
    vault = await vaultAt(path);
    open = [vault];
    await registerEntity({ chain, vault, account: alice }, ['https://a.example']);
  });
  afterEach(async () => {
    for (const each of open.reverse()) await each[Symbol.asyncDispose]();
  });
  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  const vaultAt = (at: string): Promise<Vault> => newVault(at, { now: () => clock.now() });
  function keep(options: Partial<KeepPresenceOptions> = {}): { presence: Presence; events: Recorder<PresenceEvent> } {
    const presence = keepPresence({ chain, vault, store, account: bob, clock, ...options });
    open.push(presence);
    return { presence, events: record(presence.events$) };
  }
  const types = (events: Recorder<PresenceEvent>): string => events.values.map(({ type }) => type).join(' ');
  const urls = async (): Promise<readonly string[] | undefined> => (await readWorker(chain, vault.identity))?.endpoints;

  /** The chain, of whose heads is told only once it goes on; `told`: all that is final by now has been, and what came of it is done. */
  function withHeldHeads(): {
    readonly chain: Chain;
    readonly goOn: () => void;
    readonly told: () => Promise<unknown>;
  } {
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let last = 0;
    const slow = replacing(chain, {
      headEvents: async function* (...args: Parameters<Chain['headEvents']>) {
        for await (const event of chain.headEvents(...args)) {
          await held;
          yield event;
          last = event.head.number;
        }
        throw new Error('heads go on for ever');
      },
    });
    const told = async (): Promise<unknown> => {
      const { number } = await chain.finalizedHead();
      return until(() => last >= number);
    };
    return { chain: slow, goOn, told };
  }

  it('rotates when the time has come, keeps the URLs, erases when the time of the old key is over', async () => {
    const { presence, events } = keep({ keepEpochsMs: 5 * day });
    await presence.settled;
    assert.deepEqual(events.values, []);
    const peer = await vaultAt(join(folder.path, `peer-${made}`));
    const old = await sealTo(peer, vault, 'old');
    clock.advance(26 * day);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(events.values, []);
    clock.advance(8 * day);
    await events.until(({ length }) => length === 1);
    assert.equal(types(events), 'rotated');
    assert.equal(await epochsOf(vault), '0:retired 1:current');
    const worker = await readWorker(chain, vault.identity);
    assert.deepEqual(
      [worker?.current.epoch, worker?.current.proven, worker?.endpoints],
      [1, true, ['https://a.example']],
    );
    assert.equal(await openText(vault, old), 'old');
    // The keeper may not have looked at the clock again yet.
    let days = 0;
    for (; events.values.length < 2; days++) {
      clock.advance(day);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.ok(days >= 5, `${days} days`);
    assert.deepEqual(events.values[1], { type: 'erased', epochs: [0] });
    assert.equal(await epochsOf(vault), '1:current');
  });

  it('erases no key before the backlog is read, nor one that an unhandled message was sealed to, nor newer ones', async () => {
    const old = (await vault.ecdhKeys())[0]!.publicKey;
    for (let n = 0; n < 2; n++) {
      await vault.activate((await vault.rotate()).epoch);
      clock.advance(day);
    }
    let inUse: EcdhKeysInUse | undefined;
    clock.advance(29 * day);
    const look = async (): Promise<string> => {
      const presence = keepPresence({ chain, vault, store, clock, keysInUse: async () => inUse });
      await presence.settled;
      await presence.stop();
      return epochsOf(vault);
    };
    const all = '0:retired 1:retired 2:current';
    assert.equal(await look(), all);
    const none = { needed: [], wanted: [] };
    for (const kept of [{ needed: [old] }, { wanted: [old] }, { wanted: undefined }]) {
      inUse = { ...none, ...kept };
      assert.equal(await look(), all);
    }
    // What anybody can send keeps none for longer than a key is kept anyway.
    clock.advance(29.5 * day);
    inUse = { ...none, needed: [old] };
    assert.equal(await look(), all);
    inUse = { ...none, wanted: undefined };
    assert.equal(await look(), '1:retired 2:current');
    inUse = none;
    assert.equal(await look(), '2:current');
  });

  it('neither rotates nor publishes without an account, and says once what is due', async () => {
    const { account: _, ...none } = { account: undefined };
    const presence = keepPresence({ chain, vault, store, clock, ...none });
    open.push(presence);
    const events = record(presence.events$);
    clock.advance(100 * day);
    await events.until(({ length }) => length > 0);
    clock.advance(2 * day);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(events.values, [{ type: 'due', what: 'rotation' }]);
    assert.equal(await epochsOf(vault), '0:current');
  });

  it('never rotates by time where it shall not', async () => {
    const { presence, events } = keep({ rotateEveryMs: 0 });
    clock.advance(1_000 * day);
    await presence.settled;
    assert.deepEqual(events.values, []);
  });

  it('publishes again when somebody replays an older payload: of another list, or of an older epoch', async () => {
    const options = { chain, vault, account: bob };
    const before: Call = await endpointCall(options, ['https://b.example'], 0);
    await chain.submit([before], bob);
    const { presence, events } = keep();
    await presence.settled;
    await publishEndpoints(options, ['https://c.example']);
    await until(async () => (await urls())?.[0] === 'https://c.example');
    await chain.submit([before], alice);
    await events.until(({ length }) => length === 1);
    assert.deepEqual(events.values[0]?.type === 'republished' && events.values[0].urls, ['https://c.example']);
    assert.deepEqual(await urls(), ['https://c.example']);
    clock.advance(34 * day);
    await events.until(({ length }) => length === 2);
    assert.equal((await readWorker(chain, vault.identity))?.current.epoch, 1);
    await chain.submit([before], alice);
    await events.until(({ length }) => length === 3);
    assert.equal(types(events), 'republished rotated republished');
    const worker = await readWorker(chain, vault.identity);
    assert.deepEqual([worker?.current.epoch, worker?.endpoints], [1, ['https://c.example']]);
  });

  it('publishes again where the older payload follows the newer list before that was looked at', async () => {
    const options = { chain, vault, account: bob };
    const before: Call = await endpointCall(options, ['https://b.example'], 0);
    await chain.submit([before], bob);
    const { goOn, chain: slow } = withHeldHeads();
    const { presence, events } = keep({ chain: slow });
    await presence.settled;
    await publishEndpoints(options, ['https://c.example']);
    await chain.submit([before], alice);
    assert.deepEqual(await urls(), ['https://b.example']);
    goOn();
    await events.until(({ length }) => length === 1);
    assert.deepEqual(events.values[0]?.type === 'republished' && events.values[0].urls, ['https://c.example']);
    assert.deepEqual(await urls(), ['https://c.example']);
  });

  it('takes the newest of several lists that its owner published before it looked at any of them', async () => {
    const { goOn, told, chain: slow } = withHeldHeads();
    const { presence, events } = keep({ chain: slow });
    await presence.settled;
    for (const name of ['b', 'c', 'd'])
      await publishEndpoints({ chain, vault, account: bob }, [`https://${name}.example`]);
    goOn();
    await told();
    assert.deepEqual(events.values, []);
    assert.deepEqual(await urls(), ['https://d.example']);
  });

  it('brings back a list of its owner that its own publication has replaced', async () => {
    const options = { chain, vault, account: bob };
    const before: Call = await endpointCall(options, ['https://b.example'], 0);
    await chain.submit([before], bob);
    const { goOn, chain: slow } = withHeldHeads();
    let publishMeanwhile: (() => Promise<unknown>) | undefined;
    const late = replacing(slow, {
      submit: async (...args: Parameters<Chain['submit']>) => {
        await publishMeanwhile?.();
        publishMeanwhile = undefined;
        return chain.submit(...args);
      },
    });
    const { presence, events } = keep({ chain: late });
    await presence.settled;
    await publishEndpoints(options, ['https://c.example']);
    await chain.submit([before], alice);
    publishMeanwhile = () => publishEndpoints(options, ['https://d.example']);
    goOn();
    await events.until(({ length }) => length === 2);
    assert.deepEqual(
      events.values.map((event) => (event.type === 'republished' ? event.urls : event.type)),
      [['https://c.example'], ['https://d.example']],
    );
    assert.deepEqual(await urls(), ['https://d.example']);
  });

  it('leaves an older payload where it is while that says the same as the newest', async () => {
    const options = { chain, vault, account: bob };
    const before: Call = await endpointCall(options, ['https://b.example'], 0);
    await chain.submit([before], bob);
    const { goOn, told, chain: slow } = withHeldHeads();
    goOn();
    const { presence, events } = keep({ chain: slow });
    await presence.settled;
    await publishEndpoints(options, ['https://b.example']);
    await told();
    await chain.submit([before], alice);
    await told();
    assert.deepEqual(events.values, []);
  });

  it('notices at its start what was replayed while it was away', async () => {
    const options = { chain, vault, account: bob };
    const before: Call = await endpointCall(options, ['https://b.example'], 0);
    await chain.submit([before], bob);
    const first = keep();
    await first.presence.settled;
    await publishEndpoints(options, ['https://c.example']);
    await until(async () => (await urls())?.[0] === 'https://c.example');
    await until(
      async () =>
        (await store.entries({ from: new Uint8Array(), to: new Uint8Array(200).fill(255) }))[0]![1].length > 60,
    );
    await first.presence.stop();
    await chain.submit([before], alice);
    const { events } = keep();
    await events.until(({ length }) => length === 1);
    assert.equal(types(events), 'republished');
    assert.deepEqual(await urls(), ['https://c.example']);
  });

  it('leaves alone what the owner publishes, also what stood there before', async () => {
    const options = { chain, vault, account: bob };
    const { presence, events } = keep();
    await presence.settled;
    for (const url of ['https://x.example', 'https://a.example', 'https://x.example']) {
      await publishEndpoints(options, [url]);
      await until(async () => (await urls())?.[0] === url);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(events.values, []);
    assert.deepEqual(await urls(), ['https://x.example']);
  });

  it('goes on where a run before stopped, after any step', async () => {
    // The vault as seen by a run that dies in the middle: one call fails, and nothing comes after it.
    const dyingAt = (method: 'rotate' | 'activate' | 'erase', after: boolean): Vault =>
      new Proxy(vault, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          return async (...args: unknown[]) => {
            if (name !== method) return value.apply(target, args) as unknown;
            if (after) await value.apply(target, args);
            throw new Error('killed');
          };
        },
      });
    let epoch = 0;
    for (const method of ['rotate', 'activate'] as const)
      for (const after of [false, true]) {
        clock.advance(40 * day);
        const first = keep({ vault: dyingAt(method, after) });
        await first.events.until((events) => events.some(({ type }) => type === 'failed'));
        await first.presence.stop();
        const isDone = method === 'activate' && after;
        const second = keep();
        if (isDone) await second.presence.settled;
        else await second.events.until((events) => events.some(({ type }) => type === 'rotated'));
        await second.presence.stop();
        epoch += 1;
        await using opened = await openVault({ path, passphrase });
        assert.match(await epochsOf(opened), new RegExp(`${epoch}:current$`), `${method} ${after}`);
        assert.equal((await readWorker(chain, vault.identity))?.current.epoch, epoch);
      }
  });

  it('tries again with growing pauses where it fails', async () => {
    const stranger = await vaultAt(join(folder.path, `stranger-${made}`));
    open.push(stranger);
    const { events } = keep({ vault: stranger, store: openMemoryStore() });
    clock.advance(100 * day);
    await events.until(({ length }) => length === 1);
    const [first] = events.values;
    assert.ok(first?.type === 'failed' && first.error.code === 'not-registered');
    await registerEntity({ chain, vault: stranger, account: alice });
    clock.advance(day);
    await events.until((all) => all.some(({ type }) => type === 'rotated'));
  });

  it('takes heads up again after they failed', async () => {
    let failures = 2;
    const unsteady = replacing(chain, {
      headEvents: (options, signal) => {
        if (failures-- > 0) throw new RelayError('node-lies', { details: { url: 'ws://x', block: 1, reason: 'x' } });
        return chain.headEvents(options, signal);
      },
    });
    const older = await endpointCall({ chain, vault, account: bob }, ['https://b.example'], 0);
    await chain.submit([older], bob);
    const first = keep();
    await first.presence.settled;
    await first.presence.stop();
    await publishEndpoints({ chain, vault, account: bob }, ['https://c.example']);
    const { presence, events } = keep({ chain: unsteady });
    await presence.settled;
    await chain.submit([older], alice);
    await until(async () => {
      clock.advance(60_000);
      return events.values.some(({ type }) => type === 'republished');
    });
    assert.equal(types(events), 'failed failed republished');
    assert.deepEqual(await urls(), ['https://c.example']);
  });

  it('of two processes of one entity rotates once', async () => {
    await using other = await openVault({ path, passphrase, now: () => clock.now() });
    clock.advance(34 * day);
    const one = keep();
    const two = keep({ vault: other, store: openMemoryStore() });
    await Promise.all([one.presence.settled, two.presence.settled]);
    assert.equal(await epochsOf(vault), '0:retired 1:current');
  });

  it('of two processes that publish one epoch neither takes the list of the other for a replay', async () => {
    await using other = await openVault({ path, passphrase, now: () => clock.now() });
    clock.advance(34 * day);
    let pending = 0;
    let goOn: () => void = () => undefined;
    const bothArePending = new Promise<void>((resolve) => (goOn = resolve));
    const waking = (of: Vault) => {
      const heads = withHeldHeads();
      const rotate: Vault['rotate'] = async (request) => {
        const key = await of.rotate(request);
        pending += 1;
        if (pending === 2) goOn();
        await bothArePending;
        return key;
      };
      return {
        heads,
        ...keep({ chain: heads.chain, vault: replacing(of, { rotate }), store: openMemoryStore() }),
      };
    };
    const both = [waking(vault), waking(other)];
    for (const { presence, heads } of both) {
      await presence.settled;
      heads.goOn();
    }
    for (const { heads } of both) await heads.told();
    assert.deepEqual(
      both.map(({ events }) => types(events)),
      ['rotated', 'rotated'],
    );
    assert.equal(await epochsOf(vault), '0:retired 1:current');
    assert.deepEqual(await urls(), ['https://a.example']);
  });

  for (const begun of [false, true])
    for (const heldAt of ['chain', 'vault'] as const)
      it(`finds done what another process ${begun ? 'finished' : 'did'} since it set out, held at the ${heldAt}`, async () => {
        await using other = await openVault({ path, passphrase, now: () => clock.now() });
        let goOn: () => void = () => undefined;
        const gate = new Promise<void>((resolve) => (goOn = resolve));
        let setOut: () => void = () => undefined;
        const hasSetOut = new Promise<void>((resolve) => (setOut = resolve));
        const held = async (): Promise<void> => {
          setOut();
          await gate;
        };
        const bestHead: Chain['bestHead'] = (signal) => held().then(() => chain.bestHead(signal));
        const rotate: Vault['rotate'] = (options) => held().then(() => other.rotate(options));
        const slow =
          heldAt === 'chain'
            ? { chain: replacing(chain, { bestHead }), vault: other }
            : { vault: replacing(other, { rotate }) };
        clock.advance(34 * day);
        // Now: a key that was made before is as old, and due again once it is the current one.
        if (begun) await vault.rotate();
        const late = keep({ ...slow, store: openMemoryStore() });
        await hasSetOut;
        const first = keep();
        await first.presence.settled.finally(goOn);
        await late.presence.settled;
        assert.equal(types(first.events), 'rotated');
        assert.deepEqual(late.events.values, []);
        assert.equal(await epochsOf(vault), '0:retired 1:current');
      });
});
