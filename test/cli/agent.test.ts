import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { useTempDir } from '../support/temp-dir.ts';
import { runCli, RunningCli } from './run-cli.ts';

describe('khala-relay agent', function () {
  this.timeout(120_000);
  const folder = useTempDir();

  it('holds a vault for other commands, which need no passphrase, and ends in order', async () => {
    const [vault, socket] = [folder('a.vault'), folder('run', 'a.sock')];
    const [made] = (await runCli(['keys', 'new', '--vault', vault, '--json'])).lines;
    const agent = new RunningCli(['agent', '--vault', vault, '--socket', socket]);
    const ready = await agent.line(({ event }) => event === 'ready');
    assert.equal(ready['identity'], made?.['identity']);
    assert.equal((await stat(socket)).mode & 0o777, 0o600);
    const env = { KHALA_RELAY_PASSPHRASE: undefined };
    const shown = await runCli(['keys', 'show', '--vault', `agent:${socket}`, '--json'], { env });
    assert.equal(shown.lines[0]?.['identity'], made?.['identity'], shown.stderr);
    const rotated = await runCli(['keys', 'rotate', '--vault', `agent:${socket}`, '--json'], { env });
    assert.equal((rotated.lines[0]?.['epochs'] as unknown[]).length, 2);
    const second = await runCli(['agent', '--vault', vault, '--socket', socket]);
    assert.deepEqual([second.code, second.stderr.includes('agent-running')], [2, true]);
    assert.equal(await agent.end(), 0);
    await assert.rejects(stat(socket));
    const gone = await runCli(['keys', 'show', '--vault', `agent:${socket}`], { env });
    assert.deepEqual([gone.code, gone.stderr.includes('agent-gone')], [1, true]);
  });

  it('keeps to its policy, and refuses one that makes no sense', async () => {
    const [vault, socket] = [folder('a.vault'), folder('run', 'a.sock')];
    await runCli(['keys', 'new', '--vault', vault]);
    await using agent = new RunningCli(['agent', '--vault', vault, '--socket', socket, '--allow', 'keys']);
    await agent.line(({ event }) => event === 'ready');
    const at = ['--vault', `agent:${socket}`];
    assert.equal((await runCli(['keys', 'show', ...at])).code, 0);
    assert.match((await runCli(['keys', 'rotate', ...at])).stderr, /agent-refused/);
    const other = ['agent', '--vault', vault, '--socket', folder('run', 'b.sock')];
    assert.match((await runCli([...other, '--allow', 'all'])).stderr, /bad-value/);
    assert.match((await runCli([...other, '--rate', 'x'])).stderr, /bad-setting/);
    assert.match((await runCli(['agent', ...at, '--socket', folder('run', 'b.sock')])).stderr, /needs-vault-file/);
  });
});
