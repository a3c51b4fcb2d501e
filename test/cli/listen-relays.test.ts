import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli } from './run-cli.ts';

describe('cli: listen, with the chain and two relays of which one is down', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  const path = (name: string): string => join(folder.path, name);

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
  });
  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  it('prints at once what comes by the others, says which is down, and is ready when it is up', async () => {
    const [up, down] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    await makeVault(path('a'));
    const to = await makeVault(path('b'));
    await register(dev.ws, path('a'));
    await register(dev.ws, path('b'), up, down);
    const serve = (url: string, data: string): RunningCli =>
      new RunningCli(['serve', '--ws', dev.ws, '--data', path(data), '--listen', new URL(url).host]);
    await using first = serve(up, 'r1');
    await first.line(({ event }) => event === 'ready');

    await using listen = new RunningCli([
      'listen',
      '--ws',
      dev.ws,
      '--vault',
      path('b'),
      '--relay',
      up,
      '--relay',
      down,
    ]);
    await until(() => listen.log.includes(`${down} is away`));
    const send = ['send', '--ws', dev.ws, '--vault', path('a'), '--to', to];
    for (const args of [
      ['--via', 'relay', 'off chain'],
      ['--via', 'chain', '--suri', '//Alice', 'on chain'],
    ]) {
      const { code, stderr } = await runCli([...send, ...args]);
      assert.equal(code, 0, stderr);
    }
    const message = (wanted: string) => listen.line(({ text }) => text === wanted);
    assert.deepEqual([(await message('off chain'))['via'], (await message('on chain'))['via']], ['relay', 'chain']);
    assert.ok(listen.lines.every(({ event }) => event !== 'ready'));

    await using second = serve(down, 'r2');
    await second.line(({ event }) => event === 'ready');
    await listen.line(({ event }) => event === 'ready');
    assert.equal(listen.lines.filter(({ event }) => event === 'message').length, 2);
  });

  it('goes on with the others where one refuses it, and ends where all do', async () => {
    const [good, wrong] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const to = await makeVault(path('c'));
    await register(dev.ws, path('c'), good);
    await makeVault(path('d'));
    const serve = (url: string, data: string, ...more: readonly string[]): RunningCli =>
      new RunningCli(['serve', '--ws', dev.ws, '--data', path(data), '--listen', new URL(url).host, ...more]);
    await using first = serve(good, 'r3');
    // Nobody can sign for what this one is dialled as.
    await using second = serve(wrong, 'r4', '--public-url', 'https://relay.example');
    for (const relay of [first, second]) await relay.line(({ event }) => event === 'ready');

    const listen = (...relays: readonly string[]): RunningCli =>
      new RunningCli(['listen', '--ws', dev.ws, '--vault', path('c'), ...relays.flatMap((url) => ['--relay', url])]);
    await using both = listen(good, wrong);
    await both.line(({ event }) => event === 'ready');
    await until(() => both.log.includes(`${wrong} is not read any more`) && both.log.includes('login-refused'));
    const sent = await runCli([
      'send',
      '--ws',
      dev.ws,
      '--vault',
      path('d'),
      '--to',
      to,
      '--via',
      'relay',
      'all the same',
    ]);
    assert.equal(sent.code, 0, sent.stderr);
    await both.line(({ text }) => text === 'all the same');
    await both.end();

    await using alone = listen(wrong);
    assert.equal(await alone.exit, 1);
    assert.match(alone.log, /login-refused/);
  }).timeout(180_000);
});
