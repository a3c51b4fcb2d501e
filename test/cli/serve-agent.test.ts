import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli } from './run-cli.ts';

describe('cli: a relay whose vault agent goes away', function () {
  this.timeout(300_000);
  const folder = useTempDir();
  let dev: DevChain;
  before(async () => {
    dev = await startDevChain();
  });
  after(() => dev.stop());

  it('holds nothing against the messages that it can not open meanwhile: they come once, when the agent is back', async () => {
    const [vaultA, vaultB, socket] = [folder('a.vault'), folder('b.vault'), folder('run', 'b.sock')];
    await makeVault(vaultA);
    const identity = await makeVault(vaultB);
    const agentRuns = async (): Promise<RunningCli> => {
      const agent = new RunningCli(['agent', '--vault', vaultB, '--socket', socket]);
      await agent.line(({ event }) => event === 'ready');
      return agent;
    };
    const first = await agentRuns();
    const place = ['--data', folder('relay'), '--listen', '127.0.0.1:0', '--ws', dev.ws];
    await using relay = new RunningCli(['serve', '--vault', `agent:${socket}`, ...place]);
    const { url } = await relay.line(({ event }) => event === 'ready');
    await first.end('SIGTERM');
    await register(dev.ws, vaultB, String(url));
    await using again = await agentRuns();

    const toB = ['send', '--vault', vaultA, '--to', identity, '--via', 'relay', '--ws', dev.ws, '--timeout', '90'];
    await register(dev.ws, vaultA);
    const before = await runCli([...toB, 'before']);
    assert.equal(before.code, 0, before.stderr);
    await relay.line(({ text }) => text === 'before');

    assert.equal(await again.end('SIGKILL'), null);
    // Until nothing has gone for as long as --timeout says.
    await using sending = new RunningCli([...toB, '--lines', '-'], {}, true);
    sending.write('meanwhile\n');
    sending.endInput();
    const refusals = async (): Promise<string[]> =>
      (await (await fetch(`${String(url)}/metrics`)).text())
        .split('\n')
        .filter((line) => line.startsWith('khala_relay_refused_total{'));
    await until(async () => (await refusals()).some((line) => line.includes('agent-gone')));
    assert.ok(!sending.lines.some(({ event }) => event === 'sent' || event === 'failed'));
    await using third = await agentRuns();
    assert.equal(await sending.exit, 0, sending.log);
    await relay.line(({ text }) => text === 'meanwhile');
    const after = await runCli([...toB, 'after']);
    assert.equal(after.code, 0, after.stderr);
    await relay.line(({ text }) => text === 'after');
    const texts = relay.lines.filter(({ event }) => event === 'message').map(({ text }) => text);
    assert.deepEqual(texts, ['before', 'meanwhile', 'after']);
    assert.deepEqual((await runCli(['inbox', 'dead', '--data', folder('relay'), '--json'])).lines, []);
    assert.equal(await third.end(), 0);
  });
});
