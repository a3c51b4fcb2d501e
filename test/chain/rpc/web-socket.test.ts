import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { framedConnection } from '../../../src/chain/rpc/framed-connection.ts';
import { createWebSocket, type PlainSocket } from '../../../src/chain/rpc/web-socket.ts';
import { collectGarbage } from '../../support/collect-garbage.ts';
import { until } from '../../support/until.ts';

/** Of RFC 6455, section 1.3. */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

interface Client {
  readonly socket: PlainSocket;
  /** What came so far. */
  readonly frames: readonly Buffer[];
  /** The texts that come, so many. */
  readonly texts: (count: number) => Promise<string[]>;
  readonly opened: Promise<void>;
  readonly closed: Promise<{ readonly code: number; readonly failure: string }>;
}

interface Wishes {
  readonly scheme?: string;
  readonly onFrame?: (socket: PlainSocket) => void;
}

async function connect(
  server: { address(): string | AddressInfo | null },
  { scheme = 'ws', onFrame }: Wishes = {},
): Promise<Client> {
  const frames: Buffer[] = [];
  let look = (): void => undefined;
  const { port } = server.address() as AddressInfo;
  const socket: PlainSocket = await createWebSocket(`${scheme}://127.0.0.1:${port}`, (frame) => {
    frames.push(frame as Buffer);
    onFrame?.(socket);
    look();
  });
  let failure = '';
  socket.onerror = ({ message = '' }) => (failure = message);
  return {
    socket,
    frames,
    texts: (count) =>
      new Promise((resolve) => {
        look = () => frames.length >= count && resolve(frames.map(String));
        look();
      }),
    opened: new Promise((resolve) => (socket.onopen = () => resolve())),
    closed: new Promise((resolve) => (socket.onclose = ({ code }) => resolve({ code, failure }))),
  };
}

function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.of(0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0);
  head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

describe('createWebSocket', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  async function listen(server: Server): Promise<Server> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => server.close());
    return server;
  }

  /** A server of `ws`, a client of it, and the server's end of their connection. */
  async function pair(): Promise<{ client: Client; peer: WebSocket }> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    ends.push(() => server.close());
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[WebSocket]>;
    const client = await connect(server);
    ends.push(() => client.socket.terminate?.());
    const [[peer]] = await Promise.all([accepted, client.opened]);
    return { client, peer };
  }

  /** A client of a server that says byte by byte what it wants; `accept` is what the client expects. */
  async function withRaw(serve: (socket: Socket, accept: string) => void, wishes?: Wishes): Promise<Client> {
    const server = createServer((socket) => {
      let asked = '';
      ends.push(() => socket.destroy());
      socket
        .on('error', () => undefined)
        .on('data', (bytes) => {
          const wasWhole = asked.includes('\r\n\r\n');
          asked += bytes.toString('latin1');
          if (wasWhole || !asked.includes('\r\n\r\n')) return;
          const key = /^sec-websocket-key: (.*)$/im.exec(asked)?.[1]?.trim() ?? '';
          const accept = createHash('sha1')
            .update(key + guid)
            .digest('base64');
          serve(
            socket.setNoDelay(),
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
          );
        });
    });
    const client = await connect(await listen(server), wishes);
    ends.push(() => client.socket.terminate?.());
    return client;
  }

  it('gives texts of any length in their order, with pings and fragments between', async () => {
    const { client, peer } = await pair();
    const lengths = [0, 1, 125, 126, 65_535, 65_536, 300_000, 4 * 2 ** 20 + 1, 9, 200_000, 3];
    const texts = lengths.map((length, i) => String.fromCharCode(97 + i).repeat(length));
    for (const text of texts) {
      peer.send(text);
      peer.ping('beat');
      peer.send(text.slice(0, 5), { fin: false });
      peer.ping();
      peer.send(text.slice(5), { fin: true });
    }
    assert.deepEqual(
      await client.texts(2 * texts.length),
      texts.flatMap((text) => [text, text]),
    );
  });

  for (const scheme of ['ws', 'WS'])
    it(`gives a text that comes in several reads in one piece, head and all (${scheme}:)`, async () => {
      const text = 'a'.repeat(300_000);
      const client = await withRaw(
        (socket, accept) => {
          socket.write(accept);
          socket.write(frame(text));
        },
        { scheme },
      );
      assert.deepEqual(await client.texts(1), [text]);
      const [{ byteOffset, buffer }] = client.frames as [Buffer];
      // `ws` by itself gives what it put together: the payload alone.
      assert.deepEqual([byteOffset, buffer.byteLength], [10, 300_010]);
    });

  it('gives what each side says to the other', async () => {
    const { client, peer } = await pair();
    peer.on('message', (data: Buffer, isBinary) => peer.send(data, { binary: isBinary }));
    const texts = ['é', 'a'.repeat(70_000), ''];
    for (const text of texts) client.socket.send(text);
    assert.deepEqual(await client.texts(3), texts);
  });

  it('gives a text that comes with the head of the answer', async () => {
    const client = await withRaw((socket, accept) =>
      socket.write(accept + frame('at once').toString('latin1'), 'latin1'),
    );
    assert.deepEqual(await client.texts(1), ['at once']);
  });

  it('opens behind early hints, and where the head comes byte by byte', async () => {
    const client = await withRaw((socket, accept) => {
      for (const byte of Buffer.from(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${accept}`))
        socket.write(Buffer.of(byte));
      for (const byte of frame('so it is')) socket.write(Buffer.of(byte));
    });
    assert.deepEqual(await client.texts(1), ['so it is']);
  });

  it('closes where the peer ends or breaks in the midst of a frame', async () => {
    for (const leave of ['end', 'destroySoon', 'resetAndDestroy'] as const) {
      let peer: Socket | undefined;
      const client = await withRaw((socket, accept) => {
        peer = socket;
        socket.write(Buffer.concat([Buffer.from(accept), frame('whole'), frame('cut off').subarray(0, 12)]));
      });
      assert.deepEqual(await client.texts(1), ['whole']);
      peer?.[leave]();
      assert.equal((await client.closed).code, 1006);
    }
  });

  it('closes by the handshake, with the code that the peer gives', async () => {
    const { client, peer } = await pair();
    peer.send('last');
    peer.close(4001, 'enough');
    assert.equal((await client.closed).code, 4001);
    assert.deepEqual(await client.texts(1), ['last']);
  });

  it('gives nothing more once it is cut off, even of the same read', async () => {
    // The first is more than one read.
    const texts = ['b'.repeat(70_000), '1', '2', '3'];
    const client = await withRaw(
      (socket, accept) => socket.write(Buffer.concat([Buffer.from(accept), ...texts.map(frame)])),
      { onFrame: (socket) => socket.terminate?.() },
    );
    await client.closed;
    assert.equal(client.frames.length, 1);
  });

  it('fails where a head claims more than an answer may be, before any of it comes', async () => {
    const client = await withRaw((socket, accept) => {
      socket.write(Buffer.concat([Buffer.from(accept), Buffer.of(0x81, 127, 0, 0, 0, 0, 0x10, 0, 0, 0)]));
    });
    assert.match((await client.closed).failure, /max payload size exceeded/i);
  });

  it('fails at the beginning of a frame that no server may send', async () => {
    for (const [begun, failure] of [
      [Buffer.of(0x81, 0x86, 1, 2, 3, 4, 5), /mask must be clear/i],
      [Buffer.of(0xc1, 126, 1, 0, 5), /RSV1 must be clear/],
      [Buffer.of(0x83, 126, 1, 0, 5), /invalid opcode/i],
      [Buffer.of(0x89, 126, 1, 0, 5), /invalid payload length/i],
    ] as const) {
      const client = await withRaw((socket, accept) => socket.write(Buffer.concat([Buffer.from(accept), begun])));
      assert.match((await client.closed).failure, failure);
    }
  });

  it('fails where the server does not speak it', async () => {
    const server = createHttpServer((_, response) => response.writeHead(404).end('\x81\x7f'.repeat(50)));
    server.on('upgrade', (_, socket: Socket) => socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone'));
    const client = await connect(await listen(server));
    assert.match((await client.closed).failure, /unexpected server response: 404/i);
  });

  describe('its connection', () => {
    it('is read no faster than it is taken', async () => {
      const bytes = Buffer.alloc(32 * 2 ** 20, 'bytes of no frame');
      const server = await listen(createServer((socket) => socket.end(bytes)));
      const { port } = server.address() as AddressInfo;
      const socket = framedConnection().createConnection({ host: '127.0.0.1', port });
      ends.push(() => socket.destroy());
      const got: Buffer[] = [];
      let most = 0;
      for await (const piece of socket) {
        got.push(piece as Buffer);
        most = Math.max(most, (piece as Buffer).length);
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(Buffer.concat(got).equals(bytes));
      assert.ok(most <= 2 * 64 * 1024, `${most} bytes waited`);
    });

    it('holds nothing of the frame that it ended in', async () => {
      const count = 8;
      // The head of a text of 4 MiB, but for its own ten bytes.
      const begun = Buffer.of(0x81, 127, 0, 0, 0, 0, 0, 0x3f, 0xff, 0xf6);
      const httpHead = Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      const server = await listen(createServer((socket) => socket.end(Buffer.concat([httpHead, begun]))));
      const { port } = server.address() as AddressInfo;
      collectGarbage();
      const before = process.memoryUsage().arrayBuffers;
      const held: Socket[] = [];
      for (let i = 0; i < count; i++) {
        const { createConnection, upgraded } = framedConnection();
        const socket = createConnection({ host: '127.0.0.1', port });
        socket.once('data', upgraded);
        await once(socket, 'close');
        held.push(socket);
      }
      await until(() => {
        collectGarbage();
        return process.memoryUsage().arrayBuffers < before + (count / 2) * 4 * 2 ** 20;
      });
      assert.equal(held.length, count);
    });

    it('is not to a local socket with the path of the request', async () => {
      const server = await listen(createServer((socket) => socket.end('here')));
      const { port } = server.address() as AddressInfo;
      const options = { host: '127.0.0.1', port, path: '/there' };
      const socket = framedConnection().createConnection(options);
      ends.push(() => socket.destroy());
      assert.equal(String((await once(socket, 'data'))[0]), 'here');
    });
  });
});
