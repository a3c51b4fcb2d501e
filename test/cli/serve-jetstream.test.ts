import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { nkeys } from '@nats-io/transport-node';
import { after, before, it } from 'mocha';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { freePort } from '../support/free-port.ts';
import { describeNats, startNats, type NatsServer } from '../support/nats-server.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli } from './run-cli.ts';

const pem = (name: string): string => fileURLToPath(new URL(`../relay/certificates/${name}.pem`, import.meta.url));

describeNats('cli: two relays on one JetStream', function () {
  this.timeout(240_000);
  const folder = useTempDir();
  const user = nkeys.createUser();
  let dev: DevChain;
  let nats: NatsServer;
  before(async () => {
    dev = await startDevChain();
    const tls = `tls { cert_file: "${pem('first.cert')}", key_file: "${pem('first.key')}" }`;
    nats = await startNats({ config: `${tls}\nauthorization { users: [{ nkey: ${user.getPublicKey()} }] }` });
  });
  after(async () => {
    await nats.stop();
    await dev.stop();
  });

  it('keep mail that any of them took for a recipient at any other; one is killed, and NATS, and nothing is lost', async () => {
    const [vaultA, vaultB, seed] = [folder('a.vault'), folder('b.vault'), folder('relay.nk')];
    await writeFile(seed, user.getSeed());
    await makeVault(vaultA);
    const identity = await makeVault(vaultB);
    const ports = [await freePort(), await freePort()];
    const urls = ports.map((port) => `http://127.0.0.1:${port}`);
    const store = ['--store', 'jetstream', '--nats', `tls://127.0.0.1:${nats.port}`, '--nats-ca', pem('first.cert')];
    const addresses = urls.flatMap((url) => ['--public-url', url]);
    const serve = async (at: number): Promise<RunningCli> => {
      const place = ['--data', folder(`relay${at}`), '--listen', `127.0.0.1:${ports[at]}`, '--ws', dev.ws];
      const relay = new RunningCli(['serve', ...place, ...addresses, ...store, '--nats-credentials', seed]);
      await relay.line(({ event }) => event === 'ready');
      return relay;
    };
    const first = await serve(0);
    await using _second = await serve(1);
    await register(dev.ws, vaultA);
    await register(dev.ws, vaultB, ...urls);

    const count = 60;
    const toB = ['--vault', vaultA, '--to', identity, '--lines', '-', '--timeout', '90', '--ws', dev.ws];
    await using sending = new RunningCli(['send', ...toB], {}, true);
    const sent = (): number => sending.lines.filter(({ event }) => event === 'sent').length;
    const write = (from: number, to: number): void => {
      for (let n = from; n <= to; n++) sending.write(`message ${n}\n`);
    };
    const listenAt = (url: string, messages: number): RunningCli =>
      new RunningCli(['listen', '--vault', vaultB, '--relay', url, '--count', String(messages), '--ws', dev.ws]);
    const textsOf = ({ lines }: RunningCli): string[] =>
      lines.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));

    write(1, 20);
    await until(() => sent() >= 20);
    // What came in at whichever relay the recipient finds at the second.
    await using listening = listenAt(urls[1] ?? '', 20);
    assert.equal(await listening.exit, 0, listening.log);

    write(21, 40);
    await until(() => sent() > 25);
    await first.end('SIGKILL');
    await nats.kill();
    await nats.start();
    write(41, count);
    sending.endInput();
    assert.equal(await sending.exit, 0, sending.log);
    assert.equal(sent(), count);

    await using again = await serve(0);
    await using rest = listenAt(urls[0] ?? '', count - 20);
    assert.equal(await rest.exit, 0, rest.log);
    const texts = [...textsOf(listening), ...textsOf(rest)];
    assert.deepEqual(
      texts.toSorted((a, b) => Number(a.slice(8)) - Number(b.slice(8))),
      Array.from({ length: count }, (_, n) => `message ${n + 1}`),
    );
    assert.equal(await again.end('SIGTERM'), 0);
  });

  for (const own of ['mailboxes of others', 'an entity of its own, too'] as const)
    it(`end with the reason and its code where NATS is closed for good: with ${own}`, async () => {
      const [vault, seed] = [folder('own.vault'), folder('relay.nk')];
      await writeFile(seed, user.getSeed());
      if (own !== 'mailboxes of others') await makeVault(vault);
      const place = own === 'mailboxes of others' ? ['--data', folder('own')] : ['--vault', vault];
      const store = ['--store', 'jetstream', '--nats', `tls://127.0.0.1:${nats.port}`, '--nats-ca', pem('first.cert')];
      const listen = ['--listen', '127.0.0.1:0', '--ws', dev.ws, '--nats-credentials', seed];
      const preload = new URL('close-nats.mjs', import.meta.url).href;
      await using relay = new RunningCli(['serve', ...place, ...store, ...listen], {
        NODE_OPTIONS: `--import ${preload}`,
      });
      await relay.line(({ event }) => event === 'ready');
      assert.equal(await relay.end('SIGUSR2'), 1, relay.log);
      assert.match(relay.log, /the connection was closed: .*\[nats-failed\]/);
    });
});
