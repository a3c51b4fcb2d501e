import assert from 'node:assert/strict';
import { useDevChainAndFolder } from '../support/dev-chain-folder.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli } from './run-cli.ts';

/** How many messages each `send` says are sent before it is killed. */
const kills = [1, 30, 12] as const;
const linesOfEach = 100;

describe('cli: send --lines off chain, killed under load, and its relay too', () => {
  const { dev, path } = useDevChainAndFolder();
  const serve = async (port: number) => {
    const relay = new RunningCli([
      ...['serve', '--data', path('relay'), '--listen', `127.0.0.1:${port}`, '--ws', dev.ws],
    ]);
    const { url } = await relay.line(({ event }) => event === 'ready');
    return { relay, url: String(url) };
  };

  it('loses nothing that it said is sent, and sends nothing twice', async () => {
    const [vaultA, vaultB] = [path('a'), path('b')];
    await makeVault(vaultA);
    const identity = await makeVault(vaultB);
    const first = await serve(await freePort());
    let { relay } = first;
    const { url } = first;
    await register(dev.ws, vaultB, url);

    const send = ['send', '--vault', vaultA, '--to', identity, '--via', 'relay', '--lines', '-'];
    const sending = (): RunningCli => new RunningCli([...send, '--timeout', '60', '--ws', dev.ws], {}, true);
    let told = 0;
    for (const [round, kill] of kills.entries()) {
      await using sender = sending();
      const sent = (): number => sender.lines.filter(({ event }) => event === 'sent').length;
      for (let n = 0; n < linesOfEach; n++) sender.write(`message ${round}.${n}\n`);
      await until(() => sent() >= kill);
      // Every other time the relay dies first, and the sender while it tries to reach it.
      if (round % 2 === 1) await relay.end('SIGKILL');
      await sender.end('SIGKILL');
      told += sent();
      if (round % 2 === 1) ({ relay } = await serve(Number(new URL(url).port)));
    }
    await using last = sending();
    last.write('the end\n');
    last.endInput();
    assert.equal(await last.exit, 0, last.log);

    const reading = ['listen', '--vault', vaultB, '--relay', url, '--ws', dev.ws];
    await using listening = new RunningCli(reading);
    await listening.line(({ text }) => text === 'the end');
    const texts = listening.lines.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
    // Of each run what it had read and queued when it was killed: all of it, once, and in order.
    const expected = kills.flatMap((_, round) => {
      const count = texts.filter((text) => text.startsWith(`message ${round}.`)).length;
      return Array.from({ length: count }, (_, n) => `message ${round}.${n}`);
    });
    assert.deepEqual(texts, [...expected, 'the end']);
    assert.ok(expected.length >= told, `${told} were told of, ${expected.length} came`);
    await relay.end();
  }).timeout(300_000);
});
