import assert from 'node:assert/strict';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { ready } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { connectAgent, openVault, resealVault, serveVault, type Vault } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { cheap, currentKey, genesisHash, newVault, openText, passphrase, reopen, sealTo } from '../support/vaults.ts';

const damages = {
  'vault-missing': (path: string) => rm(path),
  'vault-exposed': (path: string) => chmod(path, 0o644),
  'vault-foreign': (path: string) => writeFile(path, 'something else altogether'),
  'vault-truncated': async (path: string) => writeFile(path, (await readFile(path)).subarray(0, 60)),
  'vault-corrupt': async (path: string) => writeFile(path, (await readFile(path)).with(80, 0).with(81, 0)),
  'vault-too-new': async (path: string) => writeFile(path, (await readFile(path)).with(18, 2)),
  'vault-resealed': (path: string) => resealVault({ path, passphrase, next: { passphrase: 'another', cost: cheap } }),
} as const;

describe('vault: a file that can not be read while it is open', () => {
  const folder = useTempDir();
  before(ready);

  /** Messages to the key that a vault has in memory, and to the one that another process made since. */
  async function sealedTo(vault: Vault, path: string) {
    await using peer = await newVault(folder('peer'));
    await using other = await reopen(path);
    const sealed = async (text: string) => {
      const recipientKey = await currentKey(other);
      return {
        envelope: await sealTo(peer, vault, text, recipientKey),
        command: await peer.sealPhala({ recipientKey, content: new TextEncoder().encode(text) }),
      };
    };
    const before = await sealed('before');
    await other.activate((await other.rotate()).epoch);
    return { before, since: await sealed('since') };
  }

  for (const code of Object.keys(damages) as (keyof typeof damages)[])
    it(`still opens what its keys in memory open, and tells ${code} of the rest until it can be read`, async () => {
      const path = folder('vault');
      await using vault = await newVault(path);
      const { before, since } = await sealedTo(vault, path);
      const file = await readFile(path);
      await damages[code](path);
      const envelopes = [since.envelope, before.envelope, new Uint8Array(3), since.envelope];
      const opened = await vault.openAll({ genesisHash, envelopes });
      assert.deepEqual(
        opened.map((each) => (each instanceof RelayError ? each.code : 'opened')),
        [code, 'opened', 'truncated', code],
      );
      await rejected(openText(vault, since.envelope), code);
      await rejected(vault.openPhala(since.command), code);
      assert.equal(await openText(vault, before.envelope), 'before');
      assert.deepEqual((await vault.openPhala(before.command)).content, new TextEncoder().encode('before'));
      await rm(path, { force: true });
      await writeFile(path, file, { mode: 0o600 });
      assert.equal(await openText(vault, since.envelope), 'since');
    });

  it('tells the same by an agent, of the message alone', async () => {
    const path = folder('vault');
    const vault = await newVault(path);
    const { before, since } = await sealedTo(vault, path);
    await damages['vault-resealed'](path);
    await using agent = await serveVault({ vault, socket: folder('run', 'socket'), dataPath: folder('data') });
    await using far = await connectAgent({ socket: folder('run', 'socket'), patienceMs: 0 });
    const opened = await far.openAll({ genesisHash, envelopes: [since.envelope, before.envelope] });
    assert.deepEqual(
      opened.map((each) => (each instanceof RelayError ? each.code : 'opened')),
      ['vault-resealed', 'opened'],
    );
    await agent.stop();
    const error = await rejected(far.openAll({ genesisHash, envelopes: [before.envelope] }), 'agent-gone');
    assert.ok(error.remedy.length > 0);
    await using anew = await openVault({ path, passphrase: 'another' });
    assert.equal(await openText(anew, since.envelope), 'since');
  });
});
