import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { Keyring } from '@polkadot/keyring';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { toHex } from '../../src/codec/index.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { runCli, type Ended } from './run-cli.ts';

describe('khala-relay keys', function () {
  this.timeout(120_000);
  const folder = useTempDir();
  let vault: string;
  let identity: unknown;

  const keys = (args: readonly string[], env: Record<string, string> = {}, input?: string): Promise<Ended> =>
    runCli(['keys', ...args, '--json'], { env, ...(input === undefined ? {} : { input }) });

  before(cryptoWaitReady);
  beforeEach(async () => {
    vault = folder('vault');
    const made = await keys(['new', '--vault', vault]);
    assert.equal(made.code, 0, made.stderr);
    identity = made.lines[0]?.['identity'];
  });

  it('show tells all epochs and their states; export-public what others need', async () => {
    await keys(['rotate', '--vault', vault]);
    const [shown] = (await keys(['show', '--vault', vault])).lines;
    const epochs = shown?.['epochs'] as readonly { epoch: number; state: string; seals: number; ecdh: string }[];
    assert.deepEqual(
      epochs.map(({ epoch, state, seals }) => [epoch, state, seals]),
      [
        [0, 'current', 0],
        [1, 'pending', 0],
      ],
    );
    const [exported] = (await keys(['export-public', '--vault', vault])).lines;
    assert.deepEqual(exported, { identity, epoch: 0, ecdh: epochs[0]?.ecdh });
    const text = await runCli(['keys', 'export-public', '--vault', vault]);
    assert.deepEqual(JSON.parse(text.stdout), exported);
  });

  it('change-passphrase seals it under another one', async () => {
    const changed = await keys(['change-passphrase', '--vault', vault], { KHALA_RELAY_NEW_PASSPHRASE: 'another' });
    assert.equal(changed.code, 0, changed.stderr);
    assert.equal((await keys(['show', '--vault', vault])).code, 2);
    const shown = await keys(['show', '--vault', vault], { KHALA_RELAY_PASSPHRASE: 'another' });
    assert.equal(shown.lines[0]?.['identity'], identity);
    const refused = await keys(['change-passphrase', '--vault', vault], { KHALA_RELAY_NEW_PASSPHRASE: 'x' });
    assert.match(refused.stderr, /wrong-passphrase/);
    const unasked = await keys(['change-passphrase', '--vault', vault], { KHALA_RELAY_PASSPHRASE: 'another' });
    assert.match(unasked.stderr, /no-passphrase/);
  });

  it('backup copies the sealed file, once that is confirmed, and overwrites nothing', async () => {
    const to = folder('copy');
    const unconfirmed = await keys(['backup', to, '--vault', vault]);
    assert.equal(unconfirmed.code, 2);
    assert.match(unconfirmed.stderr, /not-confirmed/);
    await assert.rejects(stat(to));
    const copied = await keys(['backup', to, '--vault', vault, '--yes']);
    assert.equal(copied.code, 0, copied.stderr);
    assert.deepEqual(await readFile(to), await readFile(vault));
    assert.match((await keys(['backup', to, '--vault', vault, '--yes'])).stderr, /vault-exists/);
  });

  it('import takes a polkadot-js export from a file or standard input', async () => {
    const pair = new Keyring({ type: 'sr25519' }).createFromUri('//Alice//import');
    const json = JSON.stringify(pair.toJson('secret'));
    await writeFile(folder('account.json'), json);
    const env = { KHALA_RELAY_IMPORT_PASSWORD: 'secret' };
    const fromFile = await keys(['import', '--vault', folder('a'), '--key-file', folder('account.json')], env);
    const fromInput = await keys(['import', '--vault', folder('b')], env, json);
    for (const { lines, stderr } of [fromFile, fromInput])
      assert.equal(lines[0]?.['identity'], toHex(pair.publicKey), stderr);
    assert.match((await keys(['import', '--vault', folder('c')], {}, json)).stderr, /wrong-key-file-password/);
    const missing = await keys(['import', '--vault', folder('c'), '--key-file', folder('nowhere')]);
    assert.deepEqual([missing.code, missing.stderr.includes('bad-setting')], [2, true]);
    await assert.rejects(stat(folder('c')));
  });

  it('what works on the file refuses an agent', async () => {
    for (const args of [['new'], ['import'], ['change-passphrase'], ['backup', folder('copy'), '--yes']]) {
      const { code, stderr } = await keys([...args, '--vault', `agent:${folder('socket')}`]);
      assert.equal(code, 2);
      assert.match(stderr, /needs-vault-file/);
    }
  });
});
