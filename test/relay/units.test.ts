import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import { AckTracker } from '../../src/relay/ack-tracker.ts';
import { backoffMs } from '../../src/relay/backoff.ts';
import { pause } from '../../src/signals/index.ts';
import { EndpointHealth } from '../../src/relay/endpoint-health.ts';
import { originOf, relayKey, routeUrl } from '../../src/relay/relay-url.ts';
import { RecentMap } from '../../src/relay/recent-map.ts';
import { addressKey, TokenBuckets } from '../../src/relay/token-buckets.ts';
import { fromWire, parseDetails, toWire } from '../../src/relay/wire-error.ts';

describe('relay: errors on the wire', () => {
  it('keep code, text and details', () => {
    const sent = new RelayError('mailbox-full', { details: { recipient: '0x12', reason: 'so', count: 3, big: 5n } });
    const wire = toWire(sent);
    const got = fromWire({ ...wire, details: parseDetails(JSON.stringify(wire.details)) }, 'http://x');
    assert.deepEqual([got.code, got.message, got.remedy], [sent.code, sent.message, sent.remedy]);
    assert.deepEqual(got.details, { recipient: '0x12', reason: 'so', count: 3, big: '5', endpoint: 'http://x' });
  });

  it('of a code that is not known here say what the relay said, in bounded length', () => {
    const wire = { code: 'new-code', message: 'm'.repeat(5000), remedy: 'do this', details: {} };
    const got = fromWire(wire, 'http://x');
    assert.equal(got.code, 'relay-refused');
    assert.match(got.message, /new-code: m+$/);
    assert.ok(got.message.length < 1200);
    assert.equal(got.remedy, 'do this');
    assert.equal(fromWire({ ...wire, code: 'constructor' }, 'http://x').code, 'relay-refused');
  });

  it('with strange details keep only plain ones', () => {
    for (const json of ['[1]', 'null', '{', '"x"']) assert.deepEqual(parseDetails(json), {});
    const details = parseDetails('{"a":{"b":1},"c":null,"d":"x"}');
    const got = fromWire({ code: 'bad-frame', message: '', remedy: '', details }, 'e');
    assert.deepEqual(got.details, { d: 'x', endpoint: 'e' });
  });
});

describe('relay: acknowledgements', () => {
  it('go up to the first delivery that is not done with', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(Array.from({ length: 20 }, (_, n) => BigInt(n + 1))), (order) => {
        const tracker = new AckTracker();
        for (let cursor = 1n; cursor <= 20n; cursor++) tracker.delivered(cursor);
        const done = new Set<bigint>();
        let told = 0n;
        let credit = 0;
        for (const cursor of order) {
          done.add(cursor);
          const ack = tracker.done(cursor);
          assert.equal(tracker.done(cursor), undefined);
          credit += ack?.count ?? 0;
          told = ack?.upTo ?? told;
          let expected = 0n;
          while (done.has(expected + 1n)) expected += 1n;
          assert.equal(told, expected);
          assert.equal(BigInt(credit), expected);
          assert.equal(BigInt(tracker.size), 20n - expected);
        }
      }),
    );
  });
});

describe('relay: rates', () => {
  it('allow the burst, then so many a second', () => {
    let now = 0;
    const buckets = new TokenBuckets('x', { perSecond: 10, burst: 3 }, 100, () => now);
    const taken = (times: number) => Array.from({ length: times }, () => takes(buckets, 'a')).filter(Boolean).length;
    assert.equal(taken(10), 3);
    now += 100;
    assert.equal(taken(10), 1);
    now += 1_000_000;
    assert.equal(taken(10), 3);
    now -= 500_000;
    assert.equal(taken(10), 0);
    assert.equal(takes(buckets, 'b'), true);
  });

  it('tell when one more is taken', () => {
    const buckets = new TokenBuckets('this sender', { perSecond: 2, burst: 1 }, 100, () => 0);
    buckets.take('a');
    assert.throws(
      () => {
        buckets.take('a');
      },
      (error) => isRelayError(error, 'rate-limited') && error.details?.['retryAfterMs'] === 500,
    );
  });

  it('are remembered for a bounded number of keys, the unused forgotten first', () => {
    const buckets = new TokenBuckets('x', { perSecond: 1, burst: 1 }, 10, () => 0);
    for (let n = 0; n < 1000; n++) {
      takes(buckets, `key ${n}`);
      takes(buckets, 'always');
    }
    assert.ok(buckets.size <= 10);
    assert.equal(takes(buckets, 'always'), false);
  });

  it('know what was used lately, as of a map that forgets the rest', () => {
    const recent = new RecentMap<number, string>(10);
    for (let n = 0; n < 1_000; n++) {
      recent.set(n, `value ${n}`);
      assert.ok(recent.size <= 10);
      for (let before = Math.max(0, n - 4); before <= n; before++)
        if (before % 2 === 0) assert.equal(recent.get(before), `value ${before}`);
    }
    assert.equal(recent.get(900), undefined);
  });

  it('count an IPv6 network as one address', () => {
    assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), addressKey('2001:db8:1:2::9'));
    assert.notEqual(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:3::1'));
    assert.equal(addressKey('2001:db8::1'), addressKey('2001:db8::2'));
    assert.equal(addressKey('10.0.0.1'), '10.0.0.1');
    assert.notEqual(addressKey('::ffff:10.0.0.1'), addressKey('::ffff:10.0.0.2'));
  });
});

describe('relay: URLs', () => {
  it('have an origin as dialled, with the port written out', () => {
    assert.equal(originOf('HTTP://Relay.Example/x/y'), 'http://relay.example:80');
    assert.equal(originOf('wss://relay.example'), 'wss://relay.example:443');
    assert.equal(originOf('ws://[::1]:8710/v1/ws'), 'ws://[::1]:8710');
  });

  it('lead to routes under a base of either kind', () => {
    assert.equal(routeUrl('https://relay.example', 'ws', '/v1/ws'), 'wss://relay.example/v1/ws');
    assert.equal(
      routeUrl('ws://relay.example:81/base//', 'http', '/v1/messages'),
      'http://relay.example:81/base/v1/messages',
    );
    assert.equal(relayKey('https://Relay.example/'), relayKey('wss://relay.example:443'));
    assert.notEqual(relayKey('https://relay.example/a'), relayKey('https://relay.example/b'));
  });
});

describe('relay: pauses', () => {
  it('double with each failure up to the longest, half of it random', () => {
    const backoff = { firstMs: 100, mostMs: 1000 };
    const least = [1, 2, 3, 4, 5, 100].map((failures) => backoffMs(failures, backoff, () => 0));
    assert.deepEqual(least, [50, 100, 200, 400, 500, 500]);
    assert.equal(
      backoffMs(1, backoff, () => 1),
      100,
    );
  });

  it('end when nobody wants to wait any more', async () => {
    const ended = new AbortController();
    const pausing = pause(1_000_000, ended.signal);
    ended.abort();
    await pausing;
    await pause(1_000_000, ended.signal);
  });
});

function takes(buckets: TokenBuckets, key: string): boolean {
  try {
    buckets.take(key);
    return true;
  } catch {
    return false;
  }
}

describe('relay: endpoints that did well and badly', () => {
  const to = `0x${'0b'.repeat(32)}` as const;
  const [a, b, c] = ['https://a.example', 'https://b.example', 'https://c.example'] as const;
  let now = 0;
  const health = (): EndpointHealth =>
    new EndpointHealth({ now: () => now, backoff: { firstMs: 1_000, mostMs: 8_000 }, capacity: 3 });

  it('are tried as their owner lists them where nothing is known', () => {
    assert.deepEqual(health().ranked([c, a, b], to), [c, a, b]);
  });

  it('come last for a while after a failure, longer after each, and are never left out', () => {
    const seen = health();
    let last = 0;
    for (let failures = 1; failures <= 4; failures++) {
      seen.failed(a);
      const begin = now;
      assert.deepEqual(seen.ranked([a, b], to), [b, a]);
      while (seen.ranked([a, b], to)[0] !== a) now += 100;
      const pauseMs = now - begin;
      assert.ok(pauseMs >= 500 * 2 ** (failures - 1) && pauseMs <= 1_100 * 2 ** (failures - 1), String(pauseMs));
      assert.ok(pauseMs > last / 2);
      last = pauseMs;
    }
    seen.succeeded(a, to, false);
    seen.failed(a);
    now += 1_000;
    assert.deepEqual(seen.ranked([a, b], to), [a, b]);
  });

  it('are doubtful after a failure, also where they are good each second time, and not any more when they stay good', () => {
    const seen = health();
    assert.equal(seen.isDoubtful(a), false);
    seen.failed(a);
    assert.equal(seen.isDoubtful(a), true);
    seen.succeeded(a, to, false);
    assert.equal(seen.isDoubtful(a), false);
    for (let n = 0; n < 100; n++) {
      seen.failed(a);
      seen.failed(a);
      seen.succeeded(a, to, false);
      assert.equal(seen.isDoubtful(a), true);
    }
    for (let n = 0; n < 3; n++) seen.succeeded(a, to, false);
    assert.equal(seen.isDoubtful(a), false);
  });

  it('come first where they are the recipient itself, and for no other recipient', () => {
    const seen = health();
    seen.succeeded(b, to, true);
    assert.deepEqual(seen.ranked([a, b], to), [b, a]);
    assert.deepEqual(seen.ranked([a, b], `0x${'0c'.repeat(32)}`), [a, b]);
  });

  it('are forgotten, those that were not used for the longest, past a bound', () => {
    const seen = health();
    seen.failed(a);
    for (let n = 0; n < 3; n++) seen.failed(`https://${n}.example`);
    assert.deepEqual(seen.ranked([a, b], to), [a, b]);
  });
});
