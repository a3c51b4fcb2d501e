import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { useDevChainAndFolder } from '../support/dev-chain-folder.ts';
import { makeVault, register } from './entity.ts';
import { runCli, type Ended } from './run-cli.ts';

const nobody = `0x${'11'.repeat(32)}`;

describe('cli: what is refused is named as it was given', () => {
  const { dev, path } = useDevChainAndFolder();
  let vault: string;
  before(async () => {
    vault = path('vault');
    await makeVault(vault);
    await register(dev.ws, vault);
    await writeFile(path('file'), '');
    await mkdir(path('folder'));
  });

  const send = (...args: readonly string[]): string[] => ['send', '--vault', vault, '--to', nobody, ...args, 'x'];
  const refusals: readonly (readonly [what: string, args: () => readonly string[], code: 1 | 2, said: () => string])[] =
    [
      [
        'a file descriptor that is no number',
        () => send('--suri-fd', 'x'),
        2,
        () => 'The setting suri-fd is not valid: "x" is no number of a file descriptor. [bad-setting]',
      ],
      [
        'a file descriptor that is not open',
        () => send('--suri-fd', '99'),
        2,
        () => 'The setting suri-fd is not valid: file descriptor 99 is not open for reading (EBADF). [bad-setting]',
      ],
      [
        'a timeout that is no number',
        () => send('--timeout', 'abc'),
        2,
        () => 'it is "abc", but must be a number above 0, 2147483 at most (Seconds ',
      ],
      [
        'no time at all',
        () => send('--timeout', '0'),
        2,
        () => 'it is 0, but must be a number above 0, 2147483 at most (Seconds ',
      ],
      [
        'a tip that is no number',
        () => send('--tip', 'abc'),
        2,
        () => 'The setting tip is not valid: "abc" is no whole',
      ],
      ['a fee below 0', () => send('--max-fee', '-5'), 2, () => 'The setting max-fee is not valid: "-5" is no whole'],
      [
        'no number of workers',
        () => ['dev', '--workers', ''],
        2,
        () => '--workers is empty, but must be a whole number.',
      ],
      [
        'a part of a genesis hash',
        () => ['workers', '--ws', dev.ws, '--genesis', '0x12'],
        2,
        () => 'The setting genesis is not valid: "0x12" is no hash of 32 bytes in 0x-hex. [bad-setting]',
      ],
      [
        'an account that is none of development',
        () => send('--suri', '//Nobody'),
        2,
        () => '//Alice, //Bob, //Charlie, //Dave, //Eve, //Ferdie',
      ],
      [
        'a new vault where a folder is',
        () => ['keys', 'new', '--vault', path('folder')],
        1,
        () => `The vault ${path('folder')} can not be read or written: it is not a regular file. [vault-io]`,
      ],
      [
        'a new vault in no folder',
        () => ['keys', 'new', '--vault', path('no/such/x.vault')],
        1,
        () => `: the folder ${path('no/such')} does not exist. [vault-io]`,
      ],
      [
        'a number of a letter that is none',
        () => ['inbox', 'retry', 'x', '--vault', vault],
        2,
        () => '"x" is no number',
      ],
    ];
  for (const [what, args, code, said] of refusals)
    it(what, async () => {
      const ended = await runCli(args());
      assert.equal(ended.code, code, ended.stderr);
      assert.ok(ended.stderr.includes(said()), ended.stderr);
    });

  it('a file of others that is no vault, before it is called exposed', async () => {
    for (const [name, text, error] of [
      ['empty', '', 'vault-truncated'],
      ['other', 'of another program, and long enough', 'vault-foreign'],
    ] as const) {
      await writeFile(path(name), text);
      await chmod(path(name), 0o644);
      const { stderr } = await runCli(['keys', 'show', '--vault', path(name)]);
      assert.match(stderr, new RegExp(`\\[${error}\\]`));
    }
  });

  for (const command of [
    ['send', '--to', nobody, 'x'],
    ['listen'],
    ['outbox', 'ls'],
    ['inbox', 'ls'],
    ['inbox', 'dead'],
  ])
    it(`a data folder of ${command.slice(0, 2).join(' ')} below a file, and the file`, async () => {
      const chain = command.length > 2 || command[0] === 'listen' ? ['--ws', dev.ws] : [];
      for (const data of [path('file'), path('file/below')]) {
        const { code, stderr } = await runCli([...command, ...chain, '--vault', vault, '--data', data]);
        assert.equal(code, 2, stderr);
        assert.ok(stderr.includes(` ${path('file')} is a file, not a folder. [bad-setting]`), stderr);
      }
    });

  it('a data folder where none can be made', async function () {
    if (process.platform !== 'linux') this.skip();
    const ways: readonly (readonly string[])[] = [
      ['send', '--ws', dev.ws, '--vault', vault, '--to', nobody, 'x'],
      ['listen', '--ws', dev.ws, '--vault', vault],
      ['serve', '--ws', dev.ws, '--listen', '127.0.0.1:0'],
      ['dev', '--port', '0'],
    ];
    for (const way of ways) {
      const { code, stderr } = await runCli([...way, '--data', '/proc/nope']);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /ENOENT.* mkdir '\/proc\/nope'.* \[store-failed\]/);
    }
  });

  it('what is no chain in the folder of one', async () => {
    await mkdir(path('dev'));
    await writeFile(path('dev/chain'), '');
    const { code, stderr } = await runCli(['dev', '--port', '0', '--data', path('dev')]);
    assert.equal(code, 1);
    assert.match(stderr, /: chain is a file, not a folder\. \[dev-data-invalid\]/);
    assert.ok((await readdir(path('dev'))).includes('chain'));
  });

  it('a variable of the environment that is none, beside what the command does', async () => {
    const args = ['workers', '--ws', dev.ws, '--json'];
    const { code, lines, stderr } = await runCli(args, { env: { KHALA_RELAY_TIME_OUT: '5' } });
    assert.deepEqual([code, lines.map(({ event }) => event)], [0, ['added']]);
    assert.equal(stderr.split('\n').length, 2, stderr);
    assert.match(stderr, /^khala-relay: note: there is no variable KHALA_RELAY_TIME_OUT, .* KHALA_RELAY_TIMEOUT\n/);
  });
});

describe('cli: before anything was received', () => {
  const { dev, path } = useDevChainAndFolder();
  let vault: string;
  // A send makes the folder.
  before(async () => {
    vault = path('vault');
    await makeVault(vault);
    const sent = await runCli(['send', '--ws', dev.ws, '--vault', vault, '--to', nobody, 'x']);
    assert.match(sent.stderr, /\[unknown-recipient\]/);
  });
  const inbox = (...args: readonly string[]): Promise<Ended> => runCli(['inbox', ...args, '--vault', vault, '--json']);

  it('there is nothing in the inbox, and that is no failure', async () => {
    const chain = (await readdir(`${vault}.data`))[0];
    const listed = await inbox('ls');
    assert.deepEqual(
      [listed.code, listed.lines],
      [0, [{ event: 'cursor', chain, block: null, blockHash: null }]],
      listed.stderr,
    );
    const named = await inbox('ls', '--genesis', `0x${chain?.toUpperCase()}`);
    assert.deepEqual(named.lines, listed.lines, named.stderr);
    for (const args of [['dead'], ['retry', 'all']]) {
      const { code, stdout, stderr } = await inbox(...args);
      assert.deepEqual([code, stdout], [0, ''], stderr);
    }
  });

  it('there is no letter of any number', async () => {
    for (const args of [
      ['retry', '5'],
      ['dead', '--discard', '5'],
    ]) {
      const { code, stderr } = await inbox(...args);
      assert.equal(code, 2);
      assert.match(stderr, /there is none of number 5\. \[no-such-letter\]/);
    }
  });

  it('workers are listed as they are, and not as news', async () => {
    await register(dev.ws, vault);
    const { stdout } = await runCli(['workers', '--ws', dev.ws]);
    assert.match(stdout, /^0x[0-9a-f]{64} {2}EcdhKey /);
  });
});
