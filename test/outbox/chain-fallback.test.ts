import assert from 'node:assert/strict';
import { RelayError } from '../../src/errors/index.ts';
import type { Account } from '../../src/chain/index.ts';
import { decodeEnvelope, decodeSignedEnvelope, equalBytes } from '../../src/codec/index.ts';
import { createOutbox, openOutboxQueue, type OffChainCarrier, type Outbox } from '../../src/outbox/index.ts';
import { prefixes } from '../../src/outbox/outbox-keys.ts';
import { rangeOf } from '../../src/store/keys.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { alice, directoryOf, utf8 } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { Lives } from '../support/simulation/lives.ts';
import { simulatedEra } from '../support/simulation/simulated-chain.ts';

describe('outbox: what has left for the chain', () => {
  let lives: Lives;
  let outbox: Outbox;
  let account: Account | undefined;
  let isRelayAway: boolean;
  const recipient = createMemoryVault();

  beforeEach(async () => {
    const vault = createMemoryVault();
    const directory = await directoryOf(recipient);
    const carrier: OffChainCarrier = {
      canReach: () => true,
      carry: () =>
        isRelayAway
          ? Promise.reject(new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'test' } }))
          : Promise.resolve({ endpoint: 'ws://relay.example', status: 'stored' }),
    };
    account = alice;
    isRelayAway = true;
    lives = new Lives(undefined, ({ chain, store }) => {
      outbox = createOutbox({ chain, store, vault, directory, carrier, ...(account === undefined ? {} : { account }) });
      void outbox.start();
    });
    await lives.start();
  });

  afterEach(() => {
    lives.end();
  });

  const send = async (): Promise<void> => {
    void outbox.send({ to: recipient.identity, body: { kind: 'data', content: utf8('hello') } }).catch(() => undefined);
    await lives.settle();
  };
  const states = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { status } of openOutboxQueue(lives.disk).entries()) found.push(status.state);
    return found;
  };
  const startWithoutAccount = async (): Promise<void> => {
    account = undefined;
    isRelayAway = false;
    await lives.kill();
  };

  it('goes off chain once the extrinsic that carried it can not come in any more', async () => {
    await send();
    assert.deepEqual([await states(), lives.chain.pool.size], [['submitted'], 1]);
    lives.chain.pool.clear();
    await startWithoutAccount();
    assert.deepEqual(await states(), ['submitted']);
    for (let n = 0; n <= 2 * simulatedEra; n++) {
      await lives.build(true);
      await lives.finalize(0);
    }
    assert.deepEqual(await states(), ['relayed']);
  });

  it('is told to who carries off chain alone, once no extrinsic carries it', async () => {
    const waiting = async (): Promise<bigint[]> => {
      const ids: bigint[] = [];
      for await (const id of openOutboxQueue(lives.disk).waitingOffChain()) ids.push(id);
      return ids;
    };
    await send();
    assert.deepEqual(await waiting(), []);
    lives.line.refuses = 'balance-too-low';
    lives.chain.pool.clear();
    for (let n = 0; n <= simulatedEra; n++) await lives.build(true);
    await lives.finalize(0);
    await lives.stayAway(true);
    assert.deepEqual(await waiting(), [0n]);
  });

  it('goes off chain where what is before it has been in no block for a minute', async () => {
    const { setTimeout: real } = globalThis;
    const afterAMinute: (() => void)[] = [];
    globalThis.setTimeout = ((run: () => void, ms: number) => {
      if (ms !== 60_000) return real(run, ms);
      afterAMinute.push(run);
      return real(() => undefined, 0);
    }) as typeof setTimeout;
    try {
      await send();
      await send();
      isRelayAway = false;
      outbox.tryAgain();
      await lives.settle();
      assert.deepEqual(await states(), ['submitted', 'queued']);
      for (const run of afterAMinute) run();
      await lives.settle();
      assert.deepEqual(await states(), ['submitted', 'relayed']);
      await lives.build(false);
      await lives.finalize(0);
      assert.deepEqual(await states(), ['finalized', 'relayed']);
    } finally {
      globalThis.setTimeout = real;
    }
  });

  for (const by of ['this process', 'another'] as const)
    it(`goes off chain where it had failed with its signature kept and ${by} retries it`, async () => {
      lives.line.refuses = 'extrinsic-rejected';
      await send();
      await startWithoutAccount();
      assert.deepEqual(await states(), ['failed']);
      if (by === 'another') await openOutboxQueue(lives.disk).retry(0n);
      else await outbox.retry(0n);
      outbox.tryAgain();
      await lives.settle();
      assert.deepEqual(await states(), ['relayed']);
    });
});

describe('outbox: what may go either way, and is signed', () => {
  const recipient = createMemoryVault();
  const away = new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'test' } });
  const flights = rangeOf(prefixes.flight).from;

  /** What waits until it is opened. */
  function gate() {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    return { opened, open };
  }

  it('goes one way where it is retried by hand while an extrinsic is made of it and it comes back off chain', async () => {
    const vault = createMemoryVault();
    const directory = await directoryOf(recipient);
    const relayed: bigint[] = [];
    let isRelayAway = true;
    let [begins, hands] = [Promise.resolve(), Promise.resolve()];
    let outbox: Outbox | undefined;
    const carrier: OffChainCarrier = {
      canReach: () => true,
      carry: async (signed) => {
        if (isRelayAway) throw away;
        relayed.push(nonceIn(decodeSignedEnvelope(signed).envelope));
        return { endpoint: 'ws://relay.example', status: 'stored' };
      },
    };
    const lives = new Lives(undefined, ({ chain, store }) => {
      const held = replacing(store, {
        commit: async (writes, expected) => {
          if (writes.some(({ key }) => equalBytes(key.subarray(0, flights.length), flights))) await begins;
          return store.commit(writes, expected);
        },
      });
      outbox = createOutbox({
        ...{ chain, store: held, vault, carrier, account: alice },
        directory: { get: (id) => directory.get(id), load: () => hands },
      });
      void outbox.start();
    });
    const send = async (): Promise<void> => {
      void outbox?.send({ to: recipient.identity, body: { kind: 'data', content: utf8('hello') } });
      await lives.settle();
    };
    await lives.start();
    lives.line.refuses = 'extrinsic-rejected';
    await send();
    lives.line.refuses = 'pool-full';
    await send();
    isRelayAway = false;
    const [began, handed] = [gate(), gate()];
    [begins, hands] = [began.opened, handed.opened];
    await openOutboxQueue(lives.disk).retry(0n);
    outbox?.tryAgain();
    await lives.settle();
    for (const { open } of [began, handed]) {
      open();
      await lives.settle();
    }
    for (let n = 0; n < 2 * simulatedEra; n++) {
      await lives.build(false);
      await lives.finalize(0);
    }
    lives.end();
    const posted: bigint[] = [];
    for (let number = 1; number <= lives.chain.finalized.head.number; number++)
      posted.push(...(lives.chain.at(number)?.messages ?? []).map(({ payload }) => nonceIn(payload)));
    const all = [...relayed, ...posted];
    assert.deepEqual([all.length, new Set(all).size], [2, 2], `${relayed.join()} off chain, ${posted.join()} on chain`);
  });
});

function nonceIn(envelope: Uint8Array): bigint {
  const decoded = decodeEnvelope(envelope);
  return decoded.suite === 'v1' ? decoded.header.nonce : 0n;
}
