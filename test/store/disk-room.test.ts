import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import { describe, it } from 'mocha';
import { RelayError } from '../../src/errors/index.ts';
import { DiskRoom } from '../../src/store/disk-room.ts';
import { ForNextTransaction } from '../../src/store/group-commit.ts';
import { noChange } from '../../src/store/lmdb-pages.ts';
import { smallDisk } from '../support/small-disk.ts';

const child = fileURLToPath(new URL('disk-bursts-child.ts', import.meta.url));
const full = 'no space left on the disk but the reserve that removing needs';

describe('LMDB on a disk that is nearly full', () => {
  for (const [burst, mebibytes] of [
    ['tiny values', 4],
    ['removals', 48],
    ['replaced large values', 8],
    ['mail', 6],
    ['new stores', 4],
    ['opened again', 4],
  ] as const)
    it(`meets the end of it in no burst: ${burst}`, async function () {
      const disk = await smallDisk(mebibytes);
      if (disk === undefined) {
        this.skip();
        return;
      }
      try {
        const { status, stdout, stderr } = spawnSync(process.execPath, ['--import=tsx', child, burst, disk.path], {
          encoding: 'utf8',
        });
        assert.deepEqual([status, stderr], [0, '']);
        const { done, refused } = JSON.parse(stdout) as { done: number; refused: Record<string, number> };
        assert.deepEqual(Object.keys(refused), [full]);
        assert.ok(done > 0, 'nothing had room');
      } finally {
        await disk.remove();
      }
    }).timeout(60_000);

  const values = (mebibytes: number) => ({ ...noChange, put: 1, overflow: 256 * mebibytes });
  const roomAt = async (path: string) => {
    await mkdir(path);
    const root = open<Buffer, Buffer>({ path, keyEncoding: 'binary', encoding: 'binary' });
    const room = new DiskRoom({
      ...{ path, root },
      failed: (cause) => new RelayError('store-failed', { details: { path }, cause }),
    });
    return { room, root };
  };

  it('counts what other stores on it have under way, and leaves to the next transaction what one has no room for', async function () {
    const disk = await smallDisk(4);
    if (disk === undefined) {
      this.skip();
      return;
    }
    const [one, other] = [await roomAt(join(disk.path, 'one')), await roomAt(join(disk.path, 'other'))];
    try {
      const attempts: unknown[] = [];
      const attempt = ({ room }: typeof one): void => {
        try {
          room.take(values(1.5), 'more');
          attempts.push('taken');
        } catch (error) {
          attempts.push(error);
        }
      };
      const inOther = () =>
        other.room.during(
          async (begun) => {
            begun();
          },
          () => {
            attempt(other);
          },
        );
      await one.room.during(
        async (begun) => {
          begun();
          await inOther();
        },
        () => {
          attempt(one);
          attempt(one);
        },
      );
      await inOther();
      const [first, again, besides, after] = attempts;
      assert.deepEqual([first, after], ['taken', 'taken']);
      assert.ok(again instanceof ForNextTransaction);
      assert.ok(besides instanceof RelayError);
    } finally {
      await Promise.all([one.root.close(), other.root.close()]);
      await disk.remove();
    }
  });

  it('takes a disk that does not tell for one with room', async () => {
    const path = join(tmpdir(), `khala-relay-room-${process.pid}`);
    const { room, root } = await roomAt(path);
    await rm(path, { recursive: true });
    await room.during(
      async (begun) => {
        begun();
      },
      () => {
        room.take(values(2 ** 30), 'more');
      },
    );
    await root.close();
  });
});
