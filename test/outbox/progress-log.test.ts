import assert from 'node:assert/strict';
import { RelayError } from '../../src/errors/index.ts';
import { createRelayOutbox, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { directoryOf, newVault, temporaryFolder, utf8 } from '../support/entities.ts';

const genesisHash = `0x${'11'.repeat(32)}` as const;
const keepDone = 20;
/** Ends behind which the oldest are forgotten, and some more. */
const ends = 300;

describe('outbox: what is kept of messages that came to their end', function () {
  this.timeout(120_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => (folder = await temporaryFolder()));
  after(() => folder.remove());

  it('is as many as asked for, and the newest, however often one failed and was retried', async () => {
    const [us, them] = [await newVault(folder.path, 'us'), await newVault(folder.path, 'them')];
    let refuses = false;
    await using outbox = createRelayOutbox({
      ...{ genesisHash, vault: us, store: openMemoryStore(), directory: await directoryOf(them), keepDone },
      carrier: {
        canReach: () => true,
        carry: () =>
          refuses
            ? Promise.reject(new RelayError('bad-signature'))
            : Promise.resolve({ endpoint: 'wss://relay', status: 'stored' }),
      },
    });
    await outbox.start();
    const send = (): Promise<Receipt> =>
      outbox.send({ to: them.identity, via: 'relay', body: { kind: 'data', content: utf8('x') } });
    const kept = async (): Promise<bigint[]> => {
      const ids: bigint[] = [];
      for await (const { sendId } of outbox.entries()) ids.push(sendId);
      return ids;
    };
    const sent: bigint[] = [];
    for (let i = 0; i < keepDone; i++) {
      const receipt = await send();
      await receipt.reached('finalized');
      sent.push(receipt.sendId);
    }
    refuses = true;
    const failing = await send();
    sent.push(failing.sendId);
    await assert.rejects(failing.reached('finalized'), { code: 'bad-signature' });
    for (let i = 0; i < ends; i++) {
      await outbox.retry(failing.sendId);
      await assert.rejects((await outbox.receipt(failing.sendId))!.reached('finalized'), { code: 'bad-signature' });
    }
    assert.deepEqual(await kept(), sent);
    refuses = false;
    for (let i = 0; i < ends; i++) {
      const receipt = await send();
      await receipt.reached('finalized');
      sent.push(receipt.sendId);
    }
    const left = await kept();
    assert.ok(left.length < sent.length, 'none was forgotten');
    assert.ok(left.length >= keepDone, `only ${left.length} are kept`);
    assert.deepEqual(left, sent.slice(-left.length));
  });
});
