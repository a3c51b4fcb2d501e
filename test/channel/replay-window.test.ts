import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ReplayWindow, type Arrival, type ChannelId } from '../../src/channel/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';

type Via = 'chain' | 'relay';

const id = (byte: string) => `0x${byte.repeat(32)}` as const;
const channel: ChannelId = { fromKind: 'worker', from: id('0a'), to: id('0b') };
const tag = 0x030201n;
const at = (ms: number, low = 0): bigint => (BigInt(ms) << 20n) + BigInt(low);
const day = 86_400_000;
const everything = { from: Uint8Array.of(0), to: new Uint8Array(512).fill(0xff) };

/** Sent when its nonce says, and finalized where it came on chain. */
const arrival = (nonce: bigint, via: Via, of = channel, isFinal = true): Arrival => ({
  channel: of,
  nonce,
  sentAt: nonce >> 20n,
  via,
  isFinal,
  tag,
});

/** Admits and commits. */
async function admitted(
  store: TransactionalStore,
  window: ReplayWindow,
  nonce: bigint,
  via: Via,
  of = channel,
): Promise<'accepted' | 'seen' | 'too old'> {
  try {
    const admission = await window.admit(arrival(nonce, via, of));
    if (admission === undefined) return 'seen';
    assert.equal(await store.commit(admission.writes, admission.expectations), true);
    return 'accepted';
  } catch (error) {
    assert.ok(isRelayError(error, 'replay-too-old'), String(error));
    return 'too old';
  }
}

describe('channel: the replay window', () => {
  const folder = useTempDir();
  let store: TransactionalStore;
  let now: number;
  let window: ReplayWindow;
  const admit = (nonce: bigint, via: Via, of = channel) => admitted(store, window, nonce, via, of);

  beforeEach(() => {
    store = openMemoryStore();
    now = 100 * day;
    window = new ReplayWindow(store, { now: () => now });
  });

  it('accepts a nonce once, whichever path it comes by first', async () => {
    for (const [first, second] of [
      ['chain', 'chain'],
      ['chain', 'relay'],
      ['relay', 'chain'],
      ['relay', 'relay'],
    ] as const) {
      const nonce = at(now++);
      assert.equal(await admit(nonce, first), 'accepted');
      assert.equal(await admit(nonce, second), 'seen');
      assert.equal(await admit(nonce, first), 'seen');
    }
  });

  it('accepts nonces in any order above the floor', async () => {
    for (const ms of [now, now - 1, now - 10 * day, now + 1, now - 29 * day])
      for (const via of ['chain', 'relay'] as const)
        assert.equal(await admit(at(ms, via === 'chain' ? 1 : 2), via), 'accepted');
  });

  it('has a set of its own for each channel', async () => {
    const channels: ChannelId[] = [
      channel,
      { ...channel, fromKind: 'account' },
      { ...channel, to: id('0c') },
      { ...channel, from: id('0c') },
      { ...channel, from: channel.to, to: channel.from },
    ];
    for (const of of channels) assert.equal(await admit(at(now), 'chain', of), 'accepted');
    for (const of of channels) assert.equal(await admit(at(now), 'relay', of), 'seen');
  });

  it('marks nothing before the commit: a crash in between accepts the message again', async () => {
    const nonce = at(now);
    await window.admit(arrival(nonce, 'relay'));
    assert.equal(await admit(nonce, 'relay'), 'accepted');
  });

  it('lets one of two that admit the same nonce at once commit', async () => {
    const [one, two] = await Promise.all([
      window.admit(arrival(at(now), 'chain')),
      window.admit(arrival(at(now), 'relay')),
    ]);
    assert.equal(await store.commit(one!.writes, one!.expectations), true);
    assert.equal(await store.commit(two!.writes, two!.expectations), false);
  });

  it('finds the tag of a seen nonce, as it was given', async () => {
    assert.equal(await window.find(channel, at(now)), undefined);
    await admit(at(now), 'chain');
    await admit(at(now, 1), 'relay');
    assert.equal(await window.find(channel, at(now)), tag);
    assert.equal(await window.find(channel, at(now, 1)), tag);
    assert.equal(await window.find({ ...channel, fromKind: 'account' }, at(now)), undefined);
  });

  it('frees a nonce that is released, and no other', async () => {
    await admit(at(now), 'chain');
    await admit(at(now, 1), 'chain');
    await store.commit([window.release(channel, at(now))]);
    assert.equal(await window.find(channel, at(now)), undefined);
    assert.equal(await admit(at(now, 1), 'relay'), 'seen');
    assert.equal(await admit(at(now), 'relay'), 'accepted');
  });

  it('remembers over a restart', async () => {
    const path = folder('data');
    const before = await openLmdbStore({ path });
    assert.equal(await admitted(before, new ReplayWindow(before, { now: () => now }), at(now), 'relay'), 'accepted');
    await before.close();
    await using after = await openLmdbStore({ path });
    assert.equal(await admitted(after, new ReplayWindow(after, { now: () => now }), at(now), 'chain'), 'seen');
  });

  it('off chain: has its floor 30 days behind the clock, exactly', async () => {
    assert.equal(await admit(at(now - 30 * day), 'relay'), 'accepted');
    assert.equal(await admit(at(now - 30 * day) - 1n, 'relay'), 'too old');
    assert.equal(await admit(0n, 'relay'), 'too old');
    now += 1;
    assert.equal(await admit(at(now - 30 * day - 1, 5), 'relay'), 'too old');
  });

  it('off chain: has no ceiling, since another clock may be ahead', async () => {
    assert.equal(await admit(at(now + 365 * day), 'relay'), 'accepted');
    assert.equal(await admit(at(now), 'relay'), 'accepted');
    assert.equal(await admit(2n ** 64n - 1n, 'relay'), 'accepted');
    assert.equal(await admit(at(now, 1), 'relay'), 'accepted');
  });

  it('on chain: has its floor 30 days behind the highest nonce of the channel, whatever the clock says', async () => {
    assert.equal(await admit(at(5 * day), 'chain'), 'accepted');
    assert.equal(await admit(at(40 * day), 'chain'), 'accepted');
    assert.equal(await admit(at(10 * day), 'chain'), 'accepted');
    assert.equal(await admit(at(10 * day) - 1n, 'chain'), 'too old');
    assert.equal(await admit(at(6 * day), 'chain'), 'too old');
    assert.equal(await admit(at(6 * day), 'chain', { ...channel, to: id('0c') }), 'accepted');
  });

  it('on chain: what was missed for months is accepted, though relayed messages are far ahead', async () => {
    assert.equal(await admit(at(now), 'relay'), 'accepted');
    assert.equal(await admit(at(3 * day), 'chain'), 'accepted');
    assert.equal(await admit(at(2 * day), 'chain'), 'accepted');
    assert.equal(await admit(at(3 * day), 'relay'), 'seen');
  });

  it('on chain: a relayed nonce does not move the floor', async () => {
    assert.equal(await admit(2n ** 64n - 1n, 'relay'), 'accepted');
    assert.equal(await admit(1n, 'chain'), 'accepted');
  });

  it('on chain: the floor follows the highest nonce that is finalized, not one that a reorg may take back', async () => {
    const early = (await window.admit(arrival(at(90 * day), 'chain', channel, false)))!;
    await store.commit(early.writes);
    assert.equal(await admit(at(2 * day), 'chain'), 'accepted');
    await store.commit([window.release(channel, at(90 * day))]);
    assert.equal(await admit(at(1 * day), 'chain'), 'accepted');
    assert.ok(await store.commit(await window.finalized([[channel, at(90 * day)]])));
    assert.equal(await admit(at(3 * day), 'chain'), 'too old');
    assert.equal(await admit(at(60 * day), 'chain'), 'accepted');
  });

  it('off chain: keeps a nonce far in the future no longer than its message could be sent again', async () => {
    const far = 2n ** 64n - 5n;
    const sentAt = BigInt(now);
    const sent = async (nonce: bigint, at: bigint): Promise<boolean | 'too old'> => {
      try {
        const admission = await window.admit({ ...arrival(nonce, 'relay'), sentAt: at });
        if (admission === undefined) return false;
        return await store.commit(admission.writes, admission.expectations);
      } catch (error) {
        assert.ok(isRelayError(error, 'replay-too-old'));
        return 'too old';
      }
    };
    for (let n = 0n; n < 5n; n++) assert.equal(await sent(far + n, sentAt), true);
    assert.equal(await sent(far, sentAt), false);
    now += 61 * day;
    assert.equal(await sent(at(now), BigInt(now)), true);
    assert.equal((await store.entries(everything)).length, 2, 'one nonce and one mark');
    assert.equal(await sent(far, BigInt(now)), 'too old');
    assert.equal(await sent(at(now, 1), BigInt(now)), true);
  });

  it('takes a retention of its own', async () => {
    window = new ReplayWindow(store, { now: () => now, retentionMs: 1000 });
    assert.equal(await admit(at(now - 1000), 'relay'), 'accepted');
    assert.equal(await admit(at(now - 1001), 'relay'), 'too old');
    assert.equal(await admit(at(now - 5000), 'chain'), 'accepted');
    assert.equal(await admit(at(now - 6000), 'chain'), 'accepted');
    assert.equal(await admit(at(now - 6001), 'chain'), 'too old');
    assert.equal(await admit(at(now - 3000), 'chain'), 'accepted');
    assert.equal(await admit(at(now - 4001), 'chain'), 'too old');
  });

  for (const via of ['relay', 'chain'] as const)
    it(`keeps no more than what the retention asks for, over ${via} alone`, async () => {
      window = new ReplayWindow(store, { now: () => now, retentionMs: 100 });
      const nonces: bigint[] = [];
      for (let n = 0; n < 600; n++) {
        now += 1;
        nonces.push(at(now));
        assert.equal(await admit(at(now), via), 'accepted');
        if (n % 100 === 99) assert.ok((await store.entries(everything)).length <= 110);
      }
      for (const nonce of nonces) assert.notEqual(await admit(nonce, 'chain'), 'accepted');
      for (const nonce of nonces) assert.notEqual(await admit(nonce, 'relay'), 'accepted');
    });

  it('keeps no more than that over both paths, also where one of them has gone silent', async () => {
    window = new ReplayWindow(store, { now: () => now, retentionMs: 100 });
    const nonces: bigint[] = [];
    for (let n = 0; n < 900; n++) {
      now += 1;
      nonces.push(at(now));
      const via = n < 300 && n % 3 === 0 ? 'chain' : 'relay';
      assert.equal(await admit(at(now), via), 'accepted');
    }
    // The last 100 ms of either path.
    assert.ok((await store.entries(everything)).length <= 250);
    for (const nonce of nonces)
      for (const via of ['chain', 'relay'] as const) assert.notEqual(await admit(nonce, via), 'accepted');
  });

  it('drops old nonces a few at a time, so that no message pays for all', async () => {
    for (let n = 0; n < 100; n++) assert.equal(await admit(at(now, n), 'relay'), 'accepted');
    now += 31 * day;
    const { writes } = (await window.admit(arrival(at(now), 'relay')))!;
    assert.ok(writes.length > 1 && writes.length < 25);
  });

  it('never accepts a nonce twice and refuses none that a window without end would accept', async () => {
    const step = fc.record({
      via: fc.constantFrom<Via>('chain', 'relay'),
      back: fc.nat(60),
      forward: fc.nat(12),
      low: fc.nat(2),
      releases: fc.nat(9).map((n) => n === 0),
    });
    const retentionMs = 20;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        await using memory = openMemoryStore();
        let clock = 1000;
        const underTest = new ReplayWindow(memory, { now: () => clock, retentionMs });
        const seen = new Set<bigint>();
        let highest = 0n;
        let highestRelayed = -1n;
        for (const { via, back, forward, low, releases } of steps) {
          clock += forward;
          const nonce = at(clock - back, low);
          const floor = via === 'chain' ? highest - at(retentionMs) : at(clock - retentionMs);
          const outcome = await admitted(memory, underTest, nonce, via);
          if (seen.has(nonce)) assert.notEqual(outcome, 'accepted');
          else if (nonce < floor) assert.equal(outcome, 'too old');
          // What was relayed and is forgotten closes the way below it, on chain too: else it would come back there.
          else if (outcome === 'too old')
            assert.ok(via === 'chain' && nonce <= highestRelayed && nonce < at(clock - retentionMs));
          else assert.equal(outcome, 'accepted');
          if (outcome !== 'accepted') continue;
          seen.add(nonce);
          if (via === 'chain' && nonce > highest) highest = nonce;
          if (via === 'relay' && nonce > highestRelayed) highestRelayed = nonce;
          if (!releases || via === 'relay') continue;
          await memory.commit([underTest.release(channel, nonce)]);
          seen.delete(nonce);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('accepts a nonce once in a batch of more channels than it holds in memory', async () => {
    const batch = window.begin();
    const nonce = at(now);
    const twin: ChannelId = { ...channel, fromKind: 'account' };
    assert.equal(await batch.admit(arrival(nonce, 'chain')), true);
    assert.equal(await batch.admit(arrival(nonce, 'chain', twin)), true);
    for (let n = 0; n < 4_200; n++) {
      const from = `0x${n.toString(16).padStart(64, '0')}` as const;
      assert.equal(await batch.admit(arrival(nonce, 'chain', { ...channel, from })), true);
    }
    for (const of of [channel, twin]) assert.equal(await batch.admit(arrival(nonce, 'chain', of)), false);
    await store.commit(await batch.finish());
    for (const of of [channel, twin]) assert.equal(await admit(nonce, 'relay', of), 'seen');
  });

  it('admits in batches as it does one by one, whatever comes twice, out of order or after a restart', async () => {
    const message = fc.record({
      back: fc.nat(60),
      low: fc.nat(3),
      via: fc.constantFrom<Via>('chain', 'chain', 'relay'),
    });
    const batch = fc.record({
      forward: fc.nat(30),
      messages: fc.array(message, { minLength: 1, maxLength: 8 }),
      fate: fc.constantFrom('committed', 'committed', 'committed', 'lost', 'restarted'),
    });
    const retentionMs = 40;
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 25 }), async (batches) => {
        await using memory = openMemoryStore();
        let clock = 1000;
        let underTest = new ReplayWindow(memory, { now: () => clock, retentionMs });
        const seen = new Map<bigint, bigint>();
        let count = 0n;
        let highest = 0n;
        for (const { forward, messages, fate } of batches) {
          clock += forward;
          const together = underTest.begin();
          const taken = new Map<bigint, bigint>();
          for (const { back, low, via } of messages) {
            const nonce = at(clock - back, low);
            const floor = via === 'chain' ? highest - at(retentionMs) : at(clock - retentionMs);
            let outcome: string;
            try {
              outcome = (await together.admit({ ...arrival(nonce, via), tag: count })) ? 'accepted' : 'seen';
            } catch (error) {
              assert.ok(isRelayError(error, 'replay-too-old'), String(error));
              outcome = 'too old';
            }
            if (seen.has(nonce) || taken.has(nonce)) assert.notEqual(outcome, 'accepted');
            else if (nonce >= floor && nonce >= at(clock - retentionMs)) assert.equal(outcome, 'accepted');
            if (outcome !== 'accepted') continue;
            taken.set(nonce, count++);
            if (via === 'chain' && nonce > highest) highest = nonce;
          }
          const writes = await together.finish();
          if (fate === 'lost') {
            underTest.forget();
            highest = [...seen.keys()].reduce((a, b) => (a > b ? a : b), 0n);
            continue;
          }
          await memory.commit(writes);
          for (const [nonce, tag] of taken) seen.set(nonce, tag);
          if (fate === 'restarted') underTest = new ReplayWindow(memory, { now: () => clock, retentionMs });
          for (const [nonce, tag] of taken) assert.equal(await underTest.find(channel, nonce), tag);
        }
        // All of it is forgotten one day, in the batches of others too.
        clock += 10 * retentionMs;
        for (let i = 0; i < 40; i++) {
          const [first, second] = [at(clock + i, 0), at(clock + i, 1)];
          const together = underTest.begin();
          for (const nonce of [first, second]) assert.equal(await together.admit(arrival(nonce, 'chain')), true);
          await memory.commit(await together.finish());
        }
        for (const nonce of seen.keys()) assert.equal(await underTest.find(channel, nonce), undefined);
      }),
      { numRuns: 150 },
    );
  });

  it('says replay-too-old for what is below the floor', async () => {
    const error = await rejected(window.admit(arrival(0n, 'relay')), 'replay-too-old');
    assert.match(error.remedy, /new nonce/);
  });
});
