import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';
import { RunningCli } from './run-cli.ts';

const pem = (name: string): string => fileURLToPath(new URL(`../relay/certificates/${name}.pem`, import.meta.url));

describe('cli: a certificate is renewed while the relay runs', function () {
  this.timeout(120_000);
  const folder = useTempDir();
  let dev: DevChain;
  before(async () => {
    dev = await startDevChain();
  });
  after(() => dev.stop());

  /** Whose certificate a new connection is shown. */
  const shown = async (port: number): Promise<string> => {
    const ca = await Promise.all(['first', 'second'].map((name) => readFile(pem(`${name}.cert`))));
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      }).once('error', reject);
    });
  };

  it('on SIGHUP, and one that can not be used changes nothing', async () => {
    const [cert, key] = [folder('cert.pem'), folder('key.pem')];
    const put = async (name: string): Promise<void> => {
      await copyFile(pem(`${name}.cert`), cert);
      await copyFile(pem(`${name}.key`), key);
    };
    await put('first');
    const place = ['--data', folder('relay'), '--listen', '127.0.0.1:0', '--ws', dev.ws];
    await using relay = new RunningCli(['serve', ...place, '--tls-cert', cert, '--tls-key', key]);
    const { url } = await relay.line(({ event }) => event === 'ready');
    const port = Number(new URL(String(url)).port);
    assert.equal(await shown(port), 'khala-relay test first');

    await put('second');
    relay.signal('SIGHUP');
    await until(async () => (await shown(port)) === 'khala-relay test second');

    await writeFile(cert, 'no certificate');
    relay.signal('SIGHUP');
    await until(() => relay.log.includes('the certificate stays as it was'));
    assert.match(relay.log, /tls-failed/);
    assert.equal(await shown(port), 'khala-relay test second');
    assert.equal(await relay.end('SIGTERM'), 0);
  });
});
