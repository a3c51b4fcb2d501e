import assert from 'node:assert/strict';
import { useDevChainAndFolder } from '../support/dev-chain-folder.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli } from './run-cli.ts';

// The demonstration of README.md, "Mail for a worker that is away", with the same commands.
describe('cli: two relays keep the mail of a worker that is away', () => {
  const count = 100;
  const { dev, path } = useDevChainAndFolder();
  const serve = async (name: string, port = 0, ...more: readonly string[]) => {
    const place = ['--data', path(name), '--listen', `127.0.0.1:${port}`, '--ws', dev.ws];
    const relay = new RunningCli(['serve', ...place, ...more]);
    const { url } = await relay.line(({ event }) => event === 'ready');
    return { relay, url: String(url) };
  };

  it('while one of them is killed and started again: each message arrives once', async () => {
    const [vaultA, vaultB] = [path('a'), path('b')];
    await makeVault(vaultA);
    const identity = await makeVault(vaultB);
    const port = await freePort();
    const [first, second] = [await serve('r1', port), await serve('r2', 0, '--durability', 'os')];
    await using _second = second.relay;
    await register(dev.ws, vaultA);
    await register(dev.ws, vaultB, first.url, second.url);

    const send = ['send', '--vault', vaultA, '--to', identity, '--lines', '-', '--timeout', '60'];
    await using sending = new RunningCli([...send, '--ws', dev.ws], {}, true);
    const sent = (): number => sending.lines.filter(({ event }) => event === 'sent').length;
    for (let n = 1; n <= count / 2; n++) sending.write(`message ${n}\n`);
    await until(() => sent() > count / 5);
    await first.relay.end('SIGKILL');
    for (let n = count / 2 + 1; n <= count; n++) sending.write(`message ${n}\n`);
    await until(() => sent() > count / 2);
    const again = await serve('r1', port);
    await using _again = again.relay;
    sending.endInput();
    assert.equal(await sending.exit, 0);
    assert.equal(sent(), count);

    const relays = ['--relay', first.url, '--relay', second.url];
    const counted = ['--count', String(count)];
    await using listening = new RunningCli(['listen', '--vault', vaultB, ...relays, ...counted, '--ws', dev.ws]);
    const texts = (): string[] => listening.lines.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
    assert.equal(await listening.exit, 0);
    assert.deepEqual(
      texts().toSorted((a, b) => numberIn(a) - numberIn(b)),
      Array.from({ length: count }, (_, n) => `message ${n + 1}`),
    );
  }).timeout(300_000);
});

function numberIn(text: string): number {
  return Number(text.replace(/\D/g, ''));
}
