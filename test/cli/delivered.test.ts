import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, before, after, describe, it } from 'mocha';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { runCli, RunningCli } from './run-cli.ts';

describe('cli: send --wait delivered', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  const running: RunningCli[] = [];
  const path = (name: string): string => join(folder.path, name);
  const run = (args: readonly string[], hasInput = false): RunningCli => {
    const made = new RunningCli([...args, '--ws', dev.ws], {}, hasInput);
    running.push(made);
    return made;
  };

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    await makeVault(path('client'));
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.end('SIGKILL');
  });
  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  const serve = (name: string, port: number): RunningCli =>
    run(['serve', '--data', path(name), '--listen', `127.0.0.1:${port}`]);
  /** Registers a worker whose mail a relay keeps. */
  const worker = async (name: string, endpoint: string): Promise<string> => {
    const identity = await makeVault(path(name));
    await register(dev.ws, path(name), endpoint);
    return identity;
  };
  const listen = (name: string, url: string): RunningCli => run(['listen', '--vault', path(name), '--relay', url]);
  const send = (to: string, ...args: readonly string[]): RunningCli =>
    run(['send', '--vault', path('client'), '--to', to, '--timeout', '120', '--wait', 'delivered', ...args, 'hello']);

  it('waits until the recipient has fetched what its relay kept for it', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await serve('relay', port).line(({ event }) => event === 'ready');
    const to = await worker('away', url);
    const sending = send(to);
    const sent = await sending.line(({ event }) => event === 'sent');
    assert.equal(sent['status'], 'stored');
    listen('away', url);
    const delivered = await sending.line(({ event }) => event === 'delivered');
    assert.deepEqual([delivered['messageId'], delivered['to']], [sent['messageId'], to]);
    assert.equal(await sending.exit, 0);
  }).timeout(180_000);

  it('tells of each line as its word comes, while standard input goes on', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await serve('relay-lines', port).line(({ event }) => event === 'ready');
    const to = await worker('lines', url);
    listen('lines', url);
    const args = ['--vault', path('client'), '--to', to, '--timeout', '120', '--wait', 'delivered', '--lines', '-'];
    const sending = run(['send', ...args], true);
    const delivered = () => sending.lines.filter(({ event }) => event === 'delivered');
    for (const count of [1, 2]) {
      sending.write(`line ${count}\n`);
      await sending.line(() => delivered().length === count);
    }
    sending.write('the end\n');
    sending.endInput();
    assert.equal(await sending.exit, 0, sending.log);
    const sent = sending.lines.filter(({ event }) => event === 'sent').map(({ messageId }) => messageId);
    assert.equal(sent.length, 3);
    assert.deepEqual(
      delivered().map(({ messageId }) => messageId),
      sent,
    );
  }).timeout(180_000);

  it('may ask for it when it sends, and hear it later: outbox ls shows it', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await serve('relay-later', port).line(({ event }) => event === 'ready');
    const to = await worker('later', url);
    const own = ['--vault', path('client'), '--json'];
    const chain = ['--ws', dev.ws];
    const message = ['--to', to, '--receipt', 'read', '--receipt', 'delivered', 'hello'];
    const sent = await runCli(['send', ...own, ...chain, ...message]);
    assert.deepEqual([sent.code, sent.lines.map(({ status }) => status)], [0, ['stored']], sent.stderr);
    const wait = (timeout: string) =>
      runCli(['outbox', 'send', ...own, ...chain, '--wait', 'delivered', '--timeout', timeout]);
    const entry = async () => {
      const { lines } = await runCli(['outbox', 'ls', ...own]);
      return lines.find((line) => line['to'] === to);
    };
    const early = await wait('2');
    assert.deepEqual([early.code, early.lines.map(({ code }) => code)], [1, ['not-delivered-yet']]);
    assert.match(early.stderr, /not-delivered-yet/);
    const { receipts, delivered, sendId } = (await entry()) ?? {};
    assert.deepEqual([receipts, delivered], [['delivered', 'read'], undefined]);

    await runCli(['listen', '--vault', path('later'), '--relay', url, '--count', '1', '--json', ...chain]);
    const { code, lines, stderr } = await wait('60');
    assert.equal(code, 0, stderr);
    const [line, ...others] = lines;
    assert.deepEqual(
      [line?.['event'], line?.['sendId'], line?.['messageId'], line?.['to'], others],
      ['delivered', sendId, sent.lines[0]?.['messageId'], to, []],
    );
    assert.deepEqual((await entry())?.['delivered'], { deliveredAt: line?.['deliveredAt'] });
  }).timeout(180_000);

  it('is heard by serve of the same vault, once send has ended', async () => {
    const [port, own] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    await serve('relay-heard', port).line(({ event }) => event === 'ready');
    const to = await worker('heard', url);
    const sender = path('sender');
    await makeVault(sender);
    const serving = run(['serve', '--vault', sender, '--listen', `127.0.0.1:${own}`]);
    await serving.line(({ event }) => event === 'ready');
    const message = ['--to', to, '--via', 'relay', '--receipt', 'delivered', 'hello'];
    const sent = await runCli(['send', '--vault', sender, '--json', '--ws', dev.ws, ...message]);
    assert.deepEqual([sent.code, sent.lines.map(({ status }) => status)], [0, ['stored']], sent.stderr);
    listen('heard', url);
    const entry = async () => (await runCli(['outbox', 'ls', '--vault', sender, '--json'])).lines[0];
    const { delivered } = await until(async () => {
      const found = await entry();
      return found?.['delivered'] === undefined ? undefined : found;
    });
    assert.equal(typeof (delivered as { readonly deliveredAt: unknown }).deliveredAt, 'number');
    assert.equal(await serving.end(), 0, serving.log);
  }).timeout(180_000);

  it('hears it by way of the relay that --forwarder names, where the recipient can not be reached', async () => {
    const [port, forwarder] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    const to = await worker('afar', url);
    await serve('forwarder', forwarder).line(({ event }) => event === 'ready');
    const sending = send(to, '--via', 'relay', '--forwarder', `http://127.0.0.1:${forwarder}`);
    const sent = await sending.line(({ event }) => event === 'sent');
    assert.deepEqual([sent['status'], sent['endpoint']], ['forwarded', `http://127.0.0.1:${forwarder}`]);
    await serve('relay-afar', port).line(({ event }) => event === 'ready');
    listen('afar', url);
    const delivered = await sending.line(({ event }) => event === 'delivered');
    assert.equal(delivered['messageId'], sent['messageId']);
    assert.equal(await sending.exit, 0);
  }).timeout(180_000);
});
