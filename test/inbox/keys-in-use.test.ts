import assert from 'node:assert/strict';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/core.ts';
import { ready } from '../../src/crypto/index.ts';
import { isRelayError, type ErrorCode } from '../../src/errors/index.ts';
import { openInboxFiles } from '../../src/inbox/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { PhalaStore } from '../../src/inbox/phala/phala-store.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { messageRecord } from '../support/message-record.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const account: Hex = `0x${'22'.repeat(32)}`;
const none = { needed: [], wanted: [] };
const block = { number: 1, hash: `0x${'33'.repeat(32)}` } as const;

describe('EcdhKeys that an inbox still needs', () => {
  const recipient = createMemoryVault();
  const sender = createMemoryVault();
  let store: TransactionalStore;
  let files: InboxStore;
  let key: Uint8Array;

  before(async () => {
    await ready();
    const [own] = await recipient.ecdhKeys();
    assert.ok(own !== undefined);
    key = own.publicKey;
  });

  beforeEach(async () => {
    store = openMemoryStore();
    files = new InboxStore(store);
    await files.commit(await files.claimWrites(genesisHash));
  });

  async function sealed(): Promise<Uint8Array> {
    return sender.seal({
      ...{ genesisHash, to: recipient.identity, recipientKey: key, account, nonce: 1n, sentAt: 1n },
      body: { kind: 'data', content: Uint8Array.of(1) },
    });
  }

  async function inUse(): Promise<{ readonly needed: Hex[]; readonly wanted: Hex[] | undefined }> {
    const { needed, wanted } = await (await openInboxFiles(store)).keysInUse();
    const hex = (keys: readonly Uint8Array[]): Hex[] => keys.map((each) => toHex(each));
    return { needed: hex(needed), wanted: wanted && hex(wanted) };
  }

  async function withLetter(envelope: Uint8Array, code: ErrorCode): Promise<void> {
    const letter = { ...{ envelope, code, block, isFinal: true, isProven: true, retries: 0 }, sender: undefined };
    await files.commit(files.letters.writes(1n, letter));
  }

  it('are those of messages that are not acknowledged', async () => {
    const message = messageRecord({ envelope: await sealed(), block });
    await files.commit(files.runWrites(0n, [message, { ...message, isAcknowledged: true }]));
    assert.deepEqual(await inUse(), { needed: [toHex(key)], wanted: [] });
    await files.commit(await files.doneWrites([0n]));
    assert.deepEqual(await inUse(), none);
  });

  it('are those of dead letters that may open on another try', async () => {
    for (const code of ['unknown-epoch', 'unknown-variant', 'clock-skew'] as const) {
      await withLetter(await sealed(), code);
      assert.deepEqual(await inUse(), { needed: [], wanted: [toHex(key)] }, code);
    }
  });

  it('are not those of letters that no other try opens, by which anybody could keep keys for ever', async () => {
    const hopeless = [
      ...(['open-failed', 'sender-not-proven', 'not-for-us', 'from-self', 'replay-too-old'] as const),
      ...(['bad-public-key', 'bad-shared-secret', 'truncated', 'trailing-bytes', 'non-canonical'] as const),
    ];
    for (const code of hopeless) {
      await withLetter(await sealed(), code);
      assert.deepEqual(await inUse(), none, code);
    }
    await withLetter(Uint8Array.of(9), 'unknown-variant');
    assert.deepEqual(await inUse(), none);
  });

  it('are not those of letters whose sender names a key that is none', async () => {
    const envelope = await sealed();
    const { senderKey } = decodeV1(envelope).header;
    const at = Buffer.from(envelope).indexOf(senderKey);
    envelope.fill(0, at, at + senderKey.length);
    let code: ErrorCode | undefined;
    try {
      await recipient.open({ genesisHash, envelope });
    } catch (error) {
      code = isRelayError(error) ? error.code : undefined;
    }
    assert.ok(code !== undefined);
    await withLetter(envelope, code);
    assert.deepEqual(await inUse(), none, code);
  });

  it('are not all known while a sealed command of a contract waits, which does not say to which key it is', async () => {
    const commands = new PhalaStore(store);
    const posted = (payload: Uint8Array) =>
      ({
        kind: 'posted',
        topic: Uint8Array.of(1),
        payload,
        sender: { kind: 'account', id: account },
        block: 1,
      }) as const;
    await commands.take([{ ...posted(Uint8Array.of(0, 7)), isProven: true }], block);
    assert.deepEqual(await inUse(), none, 'a plain one needs none');
    await commands.take([{ ...posted(Uint8Array.of(1, 7)), isProven: true }], block);
    assert.deepEqual(await inUse(), { needed: [], wanted: undefined });
    await commands.forget(1n);
    assert.deepEqual(await inUse(), none);
  });
});
