import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { afterEach, describe, it } from 'mocha';
import { inTurn } from '../../src/relay/http-turns.ts';
import { until } from '../support/until.ts';
import { Cleanup } from './support.ts';

const pem = (kind: string) => readFileSync(new URL(`certificates/first.${kind}.pem`, import.meta.url), 'utf8');
const certificate = { cert: pem('cert'), key: pem('key') };

describe('relay: requests in turn', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const serve = async (handle: RequestListener, { isSecure = false } = {}) => {
    const seen = { handled: 0, ended: [] as string[] };
    const count: RequestListener = (request, response) => {
      seen.handled += 1;
      handle(request, response);
    };
    const parts = {
      slowReaderMs: 100,
      ended: (reason: string) => {
        seen.ended.push(reason);
      },
    };
    const listener = inTurn(count, parts);
    const made: HttpServer = isSecure ? createSecureServer(certificate, listener) : createServer(listener);
    const server = cleanup.add(made, () => {
      made.closeAllConnections();
      made.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = isSecure
      ? connectSecurely({ port, host: '127.0.0.1', ca: certificate.cert })
      : connect(port, '127.0.0.1');
    cleanup.add(socket, () => socket.destroy());
    const state = { text: '', isClosed: false };
    socket.on('error', () => undefined).on('close', () => (state.isClosed = true));
    return { server, seen, socket, state };
  };
  const request = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';

  it('end the connection whose answer stays unread', async () => {
    const { seen, socket, state } = await serve((_, response) => response.end(Buffer.alloc(64 * 2 ** 20)));
    socket.pause();
    socket.write(request);
    await until(() => seen.ended.length > 0);
    assert.deepEqual(seen.ended, ['slow-reader']);
    socket.resume();
    await until(() => state.isClosed);
  });

  it('leave the first its answer, also where it had begun when the second came', async () => {
    const { seen, socket, state } = await serve((_, response) => {
      response.write('half');
      setTimeout(() => response.end(' and half'), 50);
    });
    socket.on('data', (chunk: Buffer) => (state.text += chunk.toString()));
    socket.write(request.repeat(3));
    await until(() => state.isClosed);
    assert.match(state.text, /half[^]* and half/);
    assert.deepEqual([seen.handled, seen.ended], [1, ['pipelined']]);
  });

  for (const isSecure of [false, true])
    it(`make nothing of what came with the one too early, by ${isSecure ? 'HTTPS' : 'HTTP'}`, async () => {
      let made = 0;
      const { server, socket, state } = await serve((_, response) => response.end('done'), { isSecure });
      server.on('request', () => (made += 1));
      socket.resume().write(request.repeat(2_000));
      await until(() => state.isClosed);
      assert.equal(made, 2);
    });
});
