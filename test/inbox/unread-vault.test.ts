import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isLocalFailure } from '../../src/errors/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, openInboxFiles, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openLmdbStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault, openVault, resealVault, type Vault } from '../../src/vault/index.ts';
import { cheapKdf, newVault, temporaryFolder } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { until } from '../support/until.ts';
import { currentKey } from '../support/vaults.ts';
import { Poster } from './support.ts';

const [passphrase, next] = ['correct horse', 'battery staple'];
const fromMailbox = { skipClockCheck: true, keepDead: true } as const;

describe('inbox: a vault whose file can not be read any more', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let recipient: Vault;
  let store: TransactionalStore;
  let path: string;
  let made = 0;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: 2 });
    chain = await connectChain({ endpoints: [dev.ws] });
  });

  beforeEach(async () => {
    const name = `r${made++}`;
    path = join(folder.path, name);
    recipient = await newVault(folder.path, name);
    store = await openLmdbStore({ path: join(folder.path, `store-${name}`) });
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await recipient.close();
    await store.close();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const inbox = createInbox({ chain, vault: recipient, store, ...options });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    return inbox;
  }

  /** Sealed anew, and rotated then. The vault as it opens with the new passphrase. */
  async function resealed(): Promise<Vault> {
    await resealVault({ path, passphrase, next: { passphrase: next, cost: cheapKdf } });
    const vault = await openVault({ path, passphrase: next });
    open.push(vault);
    await vault.activate((await vault.rotate()).epoch);
    return vault;
  }

  /** Who seals to a key that is none of the recipient's. */
  async function strangerTo(): Promise<Poster> {
    const ecdhKey = await currentKey(createMemoryVault());
    return Poster.to(
      chain,
      createMemoryVault(),
      new Map([[recipient.identity, { current: { ecdhKey, proven: true } }]]),
    );
  }

  const letters = async () => (await deadLettersOf(store)).map(({ code, retries }) => [code, retries]);
  const codesOf = ({ events }: InboxProbe) => events.flatMap((event) => (event.type === 'dead' ? [event.code] : []));

  for (const finality of ['finalized', 'best'] as const)
    it(`ends no stream (${finality}): what the keys in memory open comes, the rest when it can be read again`, async () => {
      const inbox = await started({ finality });
      const probe = new InboxProbe(inbox);
      const before = await Poster.of(chain, createMemoryVault(), recipient);
      const vault = await resealed();
      const [after, stranger] = [await Poster.of(chain, createMemoryVault(), vault), await strangerTo()];
      await before.post(
        recipient,
        await before.sealed(recipient, 'one', 1n),
        await stranger.sealed(recipient, 'unknown', 1n),
        await after.sealed(recipient, 'to the new key', 2n),
        await before.sealed(recipient, 'three', 3n),
      );
      await dev.newBlock({ count: 3 });
      await before.post(recipient, await before.sealed(recipient, 'four', 4n));
      await dev.newBlock({ count: 3 });
      await probe.until(() => probe.texts.length === 3 && codesOf(probe).length === 2);
      assert.deepEqual(probe.texts, ['one', 'three', 'four']);
      assert.deepEqual(codesOf(probe), ['vault-resealed', 'vault-resealed']);
      assert.equal((await (await openInboxFiles(store)).keysInUse()).wanted?.length, 2);
      await inbox.stop();
      const later = new InboxProbe(await started({ finality, vault }));
      await later.until(() => later.texts.length === 1);
      assert.deepEqual(later.texts, ['to the new key']);
      assert.deepEqual(await letters(), [['unknown-epoch', 1]]);
    });

  it('has nothing refused of what comes by relays at the same time, and keeps what it can not open', async () => {
    const inbox = await started();
    const before = (await Poster.of(chain, createMemoryVault(), recipient)).asWorker;
    const vault = await resealed();
    const after = (await Poster.of(chain, createMemoryVault(), vault)).asWorker;
    const stranger = (await strangerTo()).asWorker;
    const mail = [
      await before.sealed(recipient, 'one'),
      await stranger.sealed(recipient, 'unknown'),
      await after.sealed(recipient, 'to the new key'),
      await before.sealed(recipient, 'two'),
    ];
    const outcomes = await Promise.all(mail.map((envelope) => inbox.accept(envelope, fromMailbox)));
    assert.deepEqual(outcomes, ['accepted', 'dead', 'dead', 'accepted']);
    const direct = await stranger.sealed(recipient, 'straight');
    await rejected(inbox.accept(direct), 'vault-resealed');
    await inbox.stop();
    const later = new InboxProbe(await started({ vault }));
    await later.until(() => later.texts.length === 3);
    assert.deepEqual(later.texts, ['one', 'two', 'to the new key']);
    assert.deepEqual(await letters(), [['unknown-epoch', 1]]);
  });

  it("keeps what workers sent: where there is no room for more a worker's is not taken, and a stranger's refused", async () => {
    const worker = createMemoryVault();
    const inbox = await started({ isRegistered: (id) => id === worker.identity });
    const vault = await resealed();
    const ofWorker = (await Poster.of(chain, worker, vault)).asWorker;
    const ofStranger = (await Poster.of(chain, createMemoryVault(), vault)).asWorker;
    assert.equal(await inbox.accept(await ofStranger.sealed(recipient, 'gives way'), fromMailbox), 'dead');
    const files = new InboxStore(store);
    const envelope = await ofWorker.sealed(recipient, 'waits');
    const state = { code: 'vault-resealed', isFinal: true, isProven: true, retries: 0 } as const;
    const writes = Array.from({ length: 999 }, (_, i) => {
      const [sequence, messageId] = [BigInt(i) + 1_000n, toHex(new Uint8Array(32).fill(i >> 8).fill(i, 1))];
      return [
        ...files.letters.writes(sequence, { envelope, sender: undefined, block: undefined, ...state }),
        files.letters.relayedWrite(sequence, { messageId, isRegistered: true, bytes: envelope.length }),
      ];
    });
    await files.commit(writes.flat());
    assert.equal(await inbox.accept(await ofWorker.sealed(recipient, 'the last'), fromMailbox), 'dead');
    const refusal = await rejected(inbox.accept(await ofStranger.sealed(recipient, 'one'), fromMailbox), 'open-failed');
    assert.ok(!isLocalFailure(refusal));
    await rejected(inbox.accept(await ofWorker.sealed(recipient, 'two'), fromMailbox), 'vault-resealed');
    assert.equal((await letters()).length, 1_000);
  });

  it('takes up what waits for its file, once that can be read again', async () => {
    const probe = new InboxProbe(await started());
    const other = await openVault({ path, passphrase });
    open.push(other);
    const damages = [
      ['vault-truncated', (file: Uint8Array) => file.subarray(0, 60)],
      ['vault-corrupt', (file: Uint8Array) => file.with(80, (file[80] ?? 0) ^ 1)],
      ['vault-foreign', () => new TextEncoder().encode('something else altogether')],
    ] as const;
    for (const [code, damaged] of damages) {
      await other.activate((await other.rotate()).epoch);
      const poster = await Poster.of(chain, createMemoryVault(), other);
      const file = await readFile(path);
      await writeFile(path, damaged(file));
      await poster.send(recipient, code);
      await dev.newBlock({ count: 3 });
      await probe.until(() => codesOf(probe).at(-1) === code);
      await writeFile(path, file);
      await probe.until(() => probe.texts.at(-1) === code);
      await until(async () => (await letters()).length === 0);
    }
  });
});
