import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { onAbort } from '../../src/signals/index.ts';
import { accountFromSuri, systemClock } from '../../src/chain/index.ts';
import { BlockPace } from '../../src/chain/head/block-pace.ts';
import { LatestValue } from '../../src/chain/head/latest-value.ts';
import { backoffMs } from '../../src/chain/rpc/backoff.ts';
import { EndpointHealth } from '../../src/chain/rpc/endpoint-health.ts';
import { isLocalUrl } from '../../src/chain/rpc/local-address.ts';
import { RpcError } from '../../src/chain/rpc/rpc-error.ts';
import { inWindow } from '../../src/chain/storage/in-window.ts';
import { formatBalance } from '../../src/chain/submit/format-balance.ts';
import { judge } from '../../src/chain/submit/pool-verdict.ts';
import { Writer } from '../../src/codec/index.ts';
import { withCode } from './support.ts';

describe('backoff', () => {
  it('doubles up to its limit, between half and all of it', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const delay = backoffMs(attempt, { minMs: 100, maxMs: 5_000, random: () => random });
        const full = Math.min(5_000, 100 * 2 ** attempt);
        assert.ok(delay >= full / 2 && delay <= full);
      }),
    );
  });
});

describe('EndpointHealth', () => {
  let now = 0;
  const health = (): EndpointHealth => new EndpointHealth(['a', 'b', 'c'], () => now);

  it('keeps the order given while all do well', () => {
    const all = health();
    for (const url of ['c', 'b', 'a']) {
      all.answered(url, 20 + url.charCodeAt(0) / 10);
      all.finalized(url, 100 + (url === 'a' ? 0 : 2));
    }
    assert.deepEqual(all.ranked, ['a', 'b', 'c']);
  });

  it('puts those last that failed, until that is long ago', () => {
    const all = health();
    all.failed('a');
    all.failed('a');
    all.failed('b');
    assert.deepEqual(all.ranked, ['c', 'b', 'a']);
    now += 10 * 60_000;
    assert.deepEqual(all.ranked, ['a', 'b', 'c']);
  });

  it('prefers what is in sync, then what is much faster', () => {
    const all = health();
    all.answered('a', 800);
    all.answered('b', 20);
    all.answered('c', 25);
    assert.deepEqual(all.ranked, ['b', 'c', 'a']);
    all.finalized('c', 10);
    all.finalized('b', 90);
    all.finalized('a', 100);
    assert.deepEqual(all.ranked, ['a', 'b', 'c']);
    all.finalized('b', 99);
    assert.deepEqual(all.ranked, ['b', 'a', 'c']);
  });
});

describe('EndpointHealth of endpoints that must agree', () => {
  it('does not take all others to be behind on the word of one', () => {
    const all = new EndpointHealth(['a', 'b', 'c'], () => 0, 2);
    all.finalized('c', 2 ** 29);
    all.finalized('a', 100);
    all.finalized('b', 99);
    assert.deepEqual([all.furthest, all.ranked], [100, ['a', 'b', 'c']]);
    assert.equal(all.due, 100);
  });

  it('takes the higher of two for what is due, but not the word of one whose subscription tells nothing of it', () => {
    const both = new EndpointHealth(['a', 'b'], () => 0, 2);
    both.finalized('a', 2 ** 29);
    both.finalized('b', 99);
    assert.equal(both.due, 2 ** 29);
    both.tellsNothing('a');
    both.finalized('a', 2 ** 29);
    assert.equal(both.due, 99);
    both.tells('a');
    both.finalized('a', 101);
    assert.equal(both.due, 101);
  });

  it('forgets what one told that was left', () => {
    const all = new EndpointHealth(['a', 'b'], () => 0, 1);
    all.finalized('a', 2 ** 29);
    all.finalized('b', 99);
    all.leave('a');
    assert.deepEqual([all.furthest, all.due, all.ranked], [99, 99, ['b']]);
    all.finalized('a', 2 ** 29);
    assert.equal(all.due, 99);
  });
});

describe('BlockPace', () => {
  it('takes five block times for silence, as it sees them, within bounds', () => {
    const pace = new BlockPace();
    assert.equal(pace.silenceMs, 30_000);
    for (let block = 1; block <= 50; block++) pace.note(block, block * 12_000);
    assert.equal(pace.silenceMs, 60_000);
    for (let block = 51; block <= 300; block++) pace.note(block, 600_000 + block);
    assert.equal(pace.silenceMs, 6_000);
    pace.note(301, 1e9);
    assert.equal(pace.silenceMs, 120_000);
    assert.equal(new BlockPace(77).silenceMs, 77);
  });
});

describe('isLocalUrl', () => {
  for (const host of ['127.0.0.1', 'localhost', 'a.localhost', '10.1.2.3', '192.168.0.1', '172.16.0.1', '172.31.9.9'])
    it(`takes ${host} as local`, () => assert.ok(isLocalUrl(`ws://${host}:9944`)));
  for (const host of ['169.254.1.1', '[::1]', '[fd00::1]', '[fe80::1]', '127.1'])
    it(`takes ${host} as local`, () => assert.ok(isLocalUrl(`wss://${host}`)));
  for (const host of ['khala.example', '8.8.8.8', '172.32.0.1', '[2001:db8::1]', '10.example', 'fd00.example'])
    it(`takes ${host} as public`, () => assert.ok(!isLocalUrl(`wss://${host}`)));
});

describe("the pool's refusals", () => {
  const verdict = (code: number, data?: string): string =>
    judge(new RpcError('m', code, 'Invalid Transaction', data)).kind;
  for (const [code, data, kind] of [
    [1010, 'Transaction is outdated', 'nonce-taken'],
    [1010, '{"invalid":{"stale":null}}', 'nonce-taken'],
    [1010, 'Inability to pay some fees (e.g. account balance too low)', 'cannot-pay'],
    [1010, 'Transaction has a bad signature', 'sign-again'],
    [1010, 'Transaction has an ancient birth block', 'sign-again'],
    [1010, 'Transaction would exhaust the block limits', 'refused'],
    [1010, 'InvalidTransaction custom error', 'refused'],
    [1011, undefined, 'refused'],
    [1012, undefined, 'sign-again'],
    [1013, '"0x00"', 'known'],
    [1014, undefined, 'nonce-taken'],
    [1016, undefined, 'full'],
    [-32601, undefined, 'refused'],
  ] as const)
    it(`${code} ${data ?? ''} means ${kind}`, () => assert.equal(verdict(code, data), kind));
});

describe('LatestValue', () => {
  it('gives the newest that fits, and skips what came between', async () => {
    const source = new Subject<number>();
    using latest = new LatestValue(source, () => new Error('done'));
    const waiting = latest.next(undefined, ({ value }) => value > 2);
    [1, 2, 3, 4].forEach((value) => {
      source.next(value);
    });
    assert.deepEqual(await waiting, { value: 4, version: 4 });
    const failing = latest.next(undefined, ({ version }) => version > 4);
    source.complete();
    await assert.rejects(failing, /done/);
  });

  it('lets several wait, each until its signal fires', async () => {
    const source = new Subject<number>();
    using latest = new LatestValue(source, () => new Error('done'));
    const leaving = new AbortController();
    const left = latest.next(leaving.signal);
    const waiting = [latest.next(new AbortController().signal), latest.next(undefined)];
    leaving.abort();
    source.next(1);
    await assert.rejects(left, { code: 'aborted' });
    assert.deepEqual(await Promise.all(waiting), Array(2).fill({ value: 1, version: 1 }));
    await assert.rejects(
      latest.next(leaving.signal, () => false),
      { code: 'aborted' },
    );
  });
});

describe('inWindow', () => {
  it('keeps the order and the bound', async () => {
    let underWay = 0;
    let most = 0;
    const results: number[] = [];
    const read = async (item: number): Promise<number> => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      return item;
    };
    for await (const result of inWindow([...Array(50).keys()], 6, read)) results.push(result);
    assert.deepEqual(results, [...Array(50).keys()]);
    assert.ok(most > 1 && most <= 6);
  });
});

describe('a wait', () => {
  it('ends with its signal, and a thousand of them share one listener', async () => {
    const stopping = new AbortController();
    const sleeps = Array.from({ length: 1_000 }, () => systemClock.sleep(60_000, stopping.signal));
    let calls = 0;
    const off = onAbort(stopping.signal, () => calls++);
    onAbort(stopping.signal, () => calls++);
    off();
    stopping.abort();
    for (const sleep of sleeps) await assert.rejects(sleep, withCode('aborted'));
    assert.equal(calls, 1);
    await assert.rejects(systemClock.sleep(1, stopping.signal), withCode('aborted'));
  });

  it('can be longer than a timer of JavaScript may be, and does not end at once by that', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const stopping = new AbortController();
    for (const ms of [2 ** 31, 2 ** 40, Infinity]) {
      const sleep = systemClock.sleep(ms, stopping.signal);
      const soon = new Promise((resolve) => setTimeout(resolve, 20, 'soon'));
      assert.equal(await Promise.race([sleep, soon]), 'soon', `${ms} ms`);
      sleep.catch(() => undefined);
    }
    stopping.abort();
    process.off('warning', note);
    assert.deepEqual(warnings, []);
  });
});

describe('accountFromSuri', () => {
  it('gives the account of a path, a seed and a mnemonic', () => {
    assert.equal(accountFromSuri('//Alice').id, '0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d');
    const phrase = 'bottom drive obey lake curtain smoke basket hold race lonely fit walk';
    assert.equal(accountFromSuri(`${phrase}//Alice`).id, accountFromSuri('//Alice').id);
    assert.equal(accountFromSuri(`0x${'01'.repeat(32)}`).sign(new Uint8Array(3)).length, 64);
  });

  it('does not repeat a secret that it can not read', () => {
    const secret = 'these words are no mnemonic of any kind at all';
    assert.throws(
      () => accountFromSuri(secret),
      (error: unknown) =>
        withCode('bad-suri')(error) && !JSON.stringify(error).includes(secret) && !String(error).includes(secret),
    );
  });
});

describe('formatBalance', () => {
  it('cuts to six decimals', () => {
    const info = (free: bigint): Uint8Array => new Writer().raw(new Uint8Array(16)).u64(free).u64(0n).finish();
    assert.equal(formatBalance(undefined, 12), '0');
    assert.equal(formatBalance(info(1_500_000_000_000n), 12), '1.5');
    assert.equal(formatBalance(info(1_000_000n), 12), '0.000001');
    assert.equal(formatBalance(info(999_999n), 12), '0');
  });
});
