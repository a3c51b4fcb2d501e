import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, it } from 'mocha';
import { WebSocket } from 'ws';
import { isRelayError } from '../../src/errors/index.ts';
import { createRelay, type RelayOptions } from '../../src/relay/index.ts';
import { decodeRelayFrame } from '../../src/relay/relay-frames.ts';
import { alice, bob, Cleanup, genesisHash, message } from './support.ts';

/** Self-signed, of 127.0.0.1. */
function certificate(name: 'first' | 'second'): NonNullable<RelayOptions['tls']> {
  const read = (kind: string) => readFileSync(new URL(`certificates/${name}.${kind}.pem`, import.meta.url), 'utf8');
  return { cert: read('cert'), key: read('key') };
}

const [first, second] = [certificate('first'), certificate('second')];

/** Status, and whose certificate was shown to a connection of its own. */
function shown(url: string): Promise<{ readonly status: number | undefined; readonly name: string }> {
  return new Promise((resolve, reject) => {
    const ca = [first.cert, second.cert].map(String);
    let name = '';
    get(`${url}/readyz`, { ca, agent: false }, (answer) => {
      answer.resume().once('end', () => {
        resolve({ status: answer.statusCode, name });
      });
    })
      .once('error', reject)
      .once('socket', (socket: TLSSocket) =>
        socket.once('secureConnect', () => (name = String(socket.getPeerCertificate().subject.CN))),
      );
  });
}

describe('relay: TLS and proxies', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('speaks HTTPS and WSS with the certificate that it is given', async () => {
    const relay = await cleanup.relay({ tls: first });
    assert.match(relay.url, /^https:/);
    assert.deepEqual(await shown(relay.url), { status: 200, name: 'khala-relay test first' });
    const socket = new WebSocket(`${relay.url.replace('https', 'wss')}/v1/ws`, { ca: String(first.cert) });
    cleanup.add(socket, () => {
      socket.terminate();
    });
    const hello = await new Promise<Buffer>((resolve, reject) => socket.once('message', resolve).once('error', reject));
    assert.equal(decodeRelayFrame(hello).type, 'hello');
  });

  it('cuts a connection that never ends its handshake', async () => {
    const relay = await cleanup.relay({ tls: first, limits: { requestTimeoutMs: 100 } });
    const socket = connect(Number(new URL(relay.url).port), '127.0.0.1');
    cleanup.add(socket, () => socket.destroy());
    await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    assert.equal((await shown(relay.url)).status, 200);
  });

  it('shows a renewed certificate to new connections, and keeps the old one where that can not be used', async () => {
    const relay = await cleanup.relay({ tls: first });
    relay.renewTls(second);
    assert.deepEqual(await shown(relay.url), { status: 200, name: 'khala-relay test second' });
    const unusable = { cert: first.cert, key: second.key };
    assert.throws(
      () => {
        relay.renewTls(unusable);
      },
      (error) => isRelayError(error, 'tls-failed'),
    );
    assert.deepEqual(await shown(relay.url), { status: 200, name: 'khala-relay test second' });
  });

  it('does not start with a certificate that can not be used', async () => {
    for (const tls of [
      { cert: 'no certificate', key: first.key },
      { cert: first.cert, key: second.key },
    ]) {
      const relay = createRelay({ genesisHash, mailStore: await cleanup.store(), listen: { port: 0 }, tls });
      await assert.rejects(relay.start(), (error) => isRelayError(error, 'tls-failed'));
      await relay.stop();
    }
    const plain = await cleanup.relay();
    assert.throws(
      () => {
        plain.renewTls(first);
      },
      (error) => isRelayError(error, 'tls-failed'),
    );
  });

  /** Status of one message that says that it was passed on for `address`. */
  const forwardedFor = async (url: string, address: string): Promise<number> => {
    const { status } = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'x-forwarded-for': address },
      body: Uint8Array.from(message(alice, bob).bytes),
    });
    return status;
  };
  const onceADay = { perAddress: { perSecond: 1e-5, burst: 1 } };

  it('counts the addresses that a trusted proxy names', async () => {
    const relay = await cleanup.relay({ limits: onceADay, trustProxy: ['127.0.0.0/8'] });
    assert.equal(await forwardedFor(relay.url, '198.51.100.1'), 202);
    assert.equal(await forwardedFor(relay.url, '198.51.100.2'), 202);
    assert.equal(await forwardedFor(relay.url, '198.51.100.1'), 429);
    // What a client wrote before the proxy did is not believed.
    assert.equal(await forwardedFor(relay.url, '203.0.113.9, 198.51.100.2'), 429);
  });

  it('believes nobody else', async () => {
    const relay = await cleanup.relay({ limits: onceADay, trustProxy: ['192.0.2.1'] });
    assert.equal(await forwardedFor(relay.url, '198.51.100.1'), 202);
    assert.equal(await forwardedFor(relay.url, '198.51.100.2'), 429);
  });

  it('does not start with a proxy that is no address', async () => {
    for (const proxy of ['proxy.example', '10.0.0.0/33', '10.0.0.0/', '::1/129', '']) {
      const relay = createRelay({
        genesisHash,
        mailStore: await cleanup.store(),
        listen: { port: 0 },
        trustProxy: [proxy],
      });
      await assert.rejects(relay.start(), (error) => isRelayError(error, 'bad-setting'), proxy);
      await relay.stop();
    }
  });
});
