import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { toHex } from '../../src/codec/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { RelayedLetters } from '../../src/inbox/relayed-letters.ts';
import { openMemoryStore } from '../../src/store/index.ts';

describe('dead letters that came through relays', () => {
  const id = (n: number) => toHex(Uint8Array.of(...new Array<number>(31).fill(0), n));

  interface Letter {
    readonly isRegistered: boolean;
    readonly bytes?: number;
    readonly isUnread?: boolean;
  }
  const filled = async (letters: readonly Letter[]) => {
    const store = openMemoryStore();
    const inbox = new InboxStore(store);
    const kept: boolean[] = [];
    for (const [n, { isRegistered, bytes = 10, isUnread = false }] of letters.entries()) {
      const relayed = await RelayedLetters.of(inbox, { count: 3, bytes: 100 });
      const writes = relayed.add(BigInt(n), { messageId: id(n), isRegistered, bytes }, isUnread);
      kept.push(writes !== undefined);
      if (writes === undefined) continue;
      const letter = { envelope: new Uint8Array(bytes), block: undefined, sender: undefined, retries: 0 } as const;
      const code = isUnread ? 'vault-resealed' : 'unknown-epoch';
      const lines = inbox.letters.writes(BigInt(n), { ...letter, code, isFinal: true, isProven: true });
      await inbox.commit([...writes, ...lines]);
    }
    return { kept, left: (await inbox.letters.relayed()).map(([sequence]) => Number(sequence)) };
  };
  const [worker, stranger] = [{ isRegistered: true }, { isRegistered: false }];

  it('are so many: the oldest of a stranger gives way', async () => {
    const { left } = await filled([stranger, worker, stranger, stranger, stranger]);
    assert.deepEqual(left, [1, 3, 4]);
  });

  it('of strangers do not take the place of those of workers', async () => {
    const { kept, left } = await filled([worker, worker, worker, stranger, worker]);
    assert.deepEqual(
      [kept, left],
      [
        [true, true, true, false, true],
        [1, 2, 4],
      ],
    );
  });

  const [unread, ofWorker] = [
    { ...stranger, isUnread: true },
    { ...worker, isUnread: true },
  ];

  it('of workers that wait for the file of the vault give way to nobody: there is no room then', async () => {
    const { kept, left } = await filled([ofWorker, stranger, ofWorker, ofWorker, worker, ofWorker, stranger, unread]);
    assert.deepEqual(
      [kept, left],
      [
        [true, true, true, true, false, false, false, false],
        [0, 2, 3],
      ],
    );
  });

  it('of strangers that wait for the file of the vault go after all else of strangers, the oldest first', async () => {
    const { kept, left } = await filled([unread, stranger, unread, unread, unread, stranger, worker, ofWorker]);
    assert.deepEqual(
      [kept, left],
      [
        [true, true, true, true, true, false, true, true],
        [4, 6, 7],
      ],
    );
  });

  it('of workers are all there after a flood of strangers, read or not', async () => {
    const flood = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? unread : stranger));
    const { left } = await filled([worker, ofWorker, ...flood, ofWorker, ...flood]);
    assert.deepEqual(left, [0, 1, 22]);
  });

  it('that have no room take nothing away', async () => {
    const { kept, left } = await filled([
      { ...stranger, bytes: 20 },
      { ...ofWorker, bytes: 60 },
      { ...stranger, bytes: 90 },
    ]);
    assert.deepEqual(
      [kept, left],
      [
        [true, true, false],
        [0, 1],
      ],
    );
  });

  it('are so many bytes', async () => {
    const { left } = await filled([
      { ...stranger, bytes: 90 },
      { ...stranger, bytes: 5 },
      { ...stranger, bytes: 60 },
    ]);
    assert.deepEqual(left, [1, 2]);
  });
});
