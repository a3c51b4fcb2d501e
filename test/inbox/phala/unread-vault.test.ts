import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Chain } from '../../../src/chain/index.ts';
import { contractTopic, encodeCommandPayload } from '../../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { createPhalaListener, type PhalaEvent } from '../../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../../src/store/index.ts';
import { createMemoryVault, openVault, resealVault, type Vault } from '../../../src/vault/index.ts';
import { alice, cheapKdf, newVault, temporaryFolder, utf8 } from '../../support/entities.ts';
import { until } from '../../support/until.ts';
import { currentKey } from '../../support/vaults.ts';

const topic = contractTopic(`0x${'c0'.repeat(32)}`);

describe('phala listener: a vault whose file can not be read any more', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function listening(vault: Vault, store: TransactionalStore) {
    const listener = createPhalaListener({ chain, vault, store, topics: [topic] });
    await listener.start();
    await listener.ready;
    const heard: string[] = [];
    const tell = (event: PhalaEvent): void => {
      if (event.type === 'message') {
        heard.push(new TextDecoder().decode(event.delivery.content));
        void event.delivery.ack();
      } else heard.push(event.type === 'dead' ? event.code : event.type);
    };
    listener.events$.subscribe({ next: tell, error: () => heard.push('ended') });
    return { listener, heard };
  }

  it('opens what its keys in memory open, and keeps the rest for when it can be read', async () => {
    const path = join(folder.path, 'vault');
    await using vault = await newVault(folder.path, 'vault');
    const sender = createMemoryVault();
    const sealed = async (to: Vault, text: string): Promise<Uint8Array> =>
      Uint8Array.of(1, ...(await sender.sealPhala({ recipientKey: await currentKey(to), content: utf8(text) })));
    const store = openMemoryStore();
    const { listener, heard } = await listening(vault, store);
    const before = await sealed(vault, 'before');
    await resealVault({ path, passphrase: 'correct horse', next: { passphrase: 'another', cost: cheapKdf } });
    await using anew = await openVault({ path, passphrase: 'another' });
    await anew.activate((await anew.rotate()).epoch);
    const payloads = [
      await sealed(anew, 'to the new key'),
      await sealed(createMemoryVault(), 'to somebody else'),
      before,
      encodeCommandPayload({ kind: 'plain', content: utf8('plain') }),
    ];
    await chain.submit(
      payloads.map((payload) => ({ kind: 'push-message', destination: topic, payload })),
      alice,
    );
    await until(() => heard.includes('plain'));
    assert.deepEqual(heard, ['vault-resealed', 'vault-resealed', 'before', 'plain']);
    await listener.stop();
    const later = await listening(anew, store);
    await until(() => later.heard.length === 2);
    assert.deepEqual(later.heard, ['to the new key', 'open-failed']);
    await later.listener.stop();
    const last = await listening(anew, store);
    await chain.submit([{ kind: 'push-message', destination: topic, payload: await sealed(anew, 'last') }], alice);
    await until(() => last.heard.length > 0);
    assert.deepEqual(last.heard, ['last']);
    await last.listener.stop();
  });
});
