import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { until } from '../support/until.ts';

const recipient = `0x${'0b'.repeat(32)}` as const;
const id = `0x${'1d'.repeat(32)}` as const;

describe('mail store in LMDB', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'khala-relay-mail-'));
  });
  afterEach(() => rm(path, { recursive: true }));

  it('tells of a sweep that failed, and sweeps again', async () => {
    let now = Date.now();
    let isBroken = false;
    const failures: unknown[] = [];
    await using store = await openLmdbMailStore({
      ...{ path, sweepIntervalMs: 5, retentionMs: 1_000 },
      now: () => {
        if (isBroken) throw new Error('no clock');
        return now;
      },
      onBackgroundFailure: (error) => failures.push(error),
    });
    await store.append(recipient, id, Uint8Array.of(1));
    isBroken = true;
    await until(() => failures.length > 1);
    assert.match(String(failures[0]), /no clock/);
    isBroken = false;
    now += 2_000;
    await until(async () => (await store.totals()).count === 0);
  });

  it('keeps with the durability of the operating system what it took, when it is closed and opened', async () => {
    const options = { path, durability: 'os' } as const;
    {
      await using store = await openLmdbMailStore(options);
      await store.append(recipient, id, Uint8Array.of(1, 2, 3));
    }
    await using store = await openLmdbMailStore(options);
    const [mail] = await store.read(recipient, 0n);
    assert.deepEqual([mail?.messageId, [...(mail?.bytes ?? [])]], [id, [1, 2, 3]]);
    assert.equal((await store.append(recipient, id, Uint8Array.of(1, 2, 3))).duplicate, true);
  });
});
