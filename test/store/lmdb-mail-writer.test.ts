import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { chunk } from '../../src/store/lmdb-mail-changes.ts';
import { openMailTables } from '../../src/store/lmdb-mail-tables.ts';
import { MailWriter } from '../../src/store/lmdb-mail-writer.ts';
import { defaultQuota } from '../../src/store/mail-quota.ts';

const id = (first: number, n = 0): Hex => {
  const bytes = Buffer.alloc(32, first);
  bytes.writeUInt32BE(n, 28);
  return toHex(bytes);
};

describe('the writer of mailboxes in LMDB', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'khala-relay-mail-'));
  });
  afterEach(() => rm(path, { recursive: true }));

  it('makes room for an answer in a transaction for each chunk of what is in the oldest box, and one for the answer', async () => {
    const opened = await openMailTables(path, { noSync: true, random: randomBytes });

    const writer = new MailWriter(opened, { path, quota: defaultQuota, now: Date.now });
    const answers = 4 * chunk;
    const answer = (recipient: Hex, n: number) =>
      writer.append(
        {
          recipient,
          messageId: id(3, n),
          sentAt: Date.now(),
          bytes: new Uint8Array(100),
          origin: { sender: id(4), isKnown: true, maxBoxes: 1 },
        },
        { given: undefined, least: 1n },
      );
    await Promise.all(Array.from({ length: answers }, (_, n) => answer(id(1), n)));
    let transactions = 0;
    opened.env.on('aftercommit', () => transactions++);
    await answer(id(2), answers);
    assert.equal(writer.box(id(1)).count, 0);
    assert.equal(writer.box(id(2)).count, 1);
    assert.ok(transactions > 0 && transactions <= answers / chunk + 1, `${transactions} transactions`);
    await writer.close();
    await opened.env.close();
  });
});
