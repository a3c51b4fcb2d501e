import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, it } from 'mocha';
import { WebSocket } from 'ws';
import { proxies as programs, unpackedFolder } from '../../scripts/lib/proxies.mjs';
import { createRelayClient } from '../../src/relay/index.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, genesisHash, message, signer } from './support.ts';

interface Proxy {
  readonly name: 'nginx' | 'caddy';
  /** Files and arguments that run a snippet of docs/relay.md on a port. */
  readonly configure: (snippet: string, port: number) => { readonly file: string; readonly text: string };
  readonly args: (folder: string) => readonly string[];
}

const proxies: readonly Proxy[] = [
  {
    name: 'nginx',
    configure: (snippet, port) => ({
      file: 'nginx.conf',
      text: [
        // Its workers must reach the folder, which is the caller's.
        process.getuid?.() === 0 ? 'user root;' : '',
        ...['pid nginx.pid;', 'error_log stderr;', 'daemon off;', 'worker_processes 1;', 'events {}', 'http {'],
        ...['access_log off;', 'client_body_temp_path body;', 'proxy_temp_path proxy;'],
        ...['fastcgi_temp_path f;', 'uwsgi_temp_path u;', 'scgi_temp_path s;'],
        // Without TLS, and with a bound that a test reaches.
        snippet
          .replace('443 ssl', `127.0.0.1:${port}`)
          .replace('limit_conn khala 256', 'limit_conn khala 4')
          .replace('header_timeout 10s', 'header_timeout 1s'),
        '}',
      ].join('\n'),
    }),
    args: (folder) => ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'],
  },
  {
    name: 'caddy',
    configure: (snippet, port) => ({
      file: 'Caddyfile',
      // Without the certificate that it would ask for.
      text: snippet
        .replace('{\n', '{\n  admin off\n')
        .replace('relay.example', `http://127.0.0.1:${port}`)
        .replace('read_header 10s', 'read_header 1s'),
    }),
    args: (folder) => ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')],
  },
];

/** From the block of docs/relay.md in the proxy's language. */
function snippetOf(name: string): string {
  const text = readFileSync(new URL('../../docs/relay.md', import.meta.url), 'utf8');
  const [, snippet] = new RegExp(`\`\`\`${name}\n([^]*?)\`\`\``).exec(text) ?? [];
  assert.ok(snippet !== undefined);
  return snippet;
}

for (const proxy of proxies) {
  const title = `relay behind ${proxy.name}, as docs/relay.md says`;
  const program = programOf(proxy.name);
  if (program !== undefined) describe(title, () => behind(proxy, program));
  else {
    process.stderr.write(
      `SKIPPED: ${title}: there is no ${proxy.name} (npm run proxies; Debian: apt-get install ${proxy.name})\n`,
    );
    describe.skip(title, () => behind(proxy, proxy.name));
  }
}

/** Named by the environment, on the PATH, or unpacked by `npm run proxies`. undefined: there is none that runs. */
function programOf(name: string): string | undefined {
  const known = programs.find((program) => program.name === name);
  assert.ok(known !== undefined);
  const { setting, path, version } = known;
  const named = process.env[setting];
  const places = [...(named === undefined ? [] : [named]), name, join(unpackedFolder(name), path)];
  return places.find((place) => spawnSync(place, [version], { stdio: 'ignore' }).status === 0);
}

function behind({ name, configure, args }: Proxy, program: string): void {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const start = async (limits = {}) => {
    const [folder, port] = [await cleanup.folder(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    const relay = await cleanup.relay({ publicUrls: [url], trustProxy: ['127.0.0.1'], limits });
    const snippet = snippetOf(name);
    assert.ok(snippet.includes('127.0.0.1:8710'));
    const { file, text } = configure(snippet.replace('127.0.0.1:8710', new URL(relay.url).host), port);
    await writeFile(join(folder, file), text);
    const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const child = spawn(program, args(folder), { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (data: Buffer) => (log += data.toString()));
    const exited = new Promise((resolve) => child.once('exit', resolve));
    cleanup.add(child, async () => {
      child.kill('SIGTERM');
      await exited;
    });
    await until(async () => {
      assert.equal(child.exitCode, null, log);
      return fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return { url, relay };
  };

  it('takes mail by HTTP and WebSocket, and lets its recipient in under the public URL', async () => {
    const { url } = await start();
    const client = cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
    for (const endpoint of [url, url.replace('http', 'ws')])
      assert.equal((await client.send(message(alice, bob, { size: 200_000 }).bytes, [endpoint])).status, 'stored');
    let received = 0;
    const subscription = client.receive({ url, identity: bob.identity, sign: signer(bob) }).subscribe((event) => {
      if (event.type !== 'delivery') return;
      received += 1;
      event.ack();
    });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    await until(() => received === 2);
  });

  it('holds each client to its own rate, whatever it says of itself', async () => {
    const rate = { perSecond: 0.001, burst: 2 };
    const { url } = await start({ perAddress: rate });
    const post = (localAddress: string, forwardedFor?: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = {
          'content-type': 'application/octet-stream',
          ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
        };
        request(`${url}/v1/messages`, { method: 'POST', headers, localAddress, agent: false }, (answer) => {
          answer.resume().on('end', () => {
            resolve(answer.statusCode);
          });
        })
          .on('error', reject)
          .end(message(alice, bob).bytes);
      });
    assert.deepEqual([await post('127.0.0.2'), await post('127.0.0.2'), await post('127.0.0.2')], [202, 202, 429]);
    assert.equal(await post('127.0.0.2', '9.9.9.9'), 429);
    assert.equal(await post('127.0.0.3'), 202);
  });

  it('holds each client to so many connections, and ends those over which no request comes', async () => {
    // nginx has its own bound, which is 4 here; behind caddy it is the relay's.
    const { url } = await start({ maxConnectionsPerAddress: name === 'nginx' ? 100 : 4 });
    const open = (localAddress: string): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, { localAddress });
        cleanup.add(socket, () => {
          socket.terminate();
        });
        socket.on('error', () => undefined);
        socket.once('message', () => {
          resolve(true);
        });
        socket.once('close', () => {
          resolve(false);
        });
      });
    const opened = [];
    for (let n = 0; n < 6; n++) opened.push(await open('127.0.0.2'));
    assert.deepEqual(opened, [true, true, true, true, false, false]);
    assert.equal(await open('127.0.0.3'), true);
    const silent = connect(Number(new URL(url).port), '127.0.0.1');
    cleanup.add(silent, () => silent.destroy());
    silent.resume().on('error', () => undefined);
    silent.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    await once(silent, 'close');
  });

  it('leaves a WebSocket open that has nothing to say for a while', async () => {
    const { url } = await start({ pingIntervalMs: 50 });
    const raw = await RawSocket.open(url, cleanup);
    let pings = 0;
    raw.socket.on('ping', () => pings++);
    await until(() => pings > 3);
    assert.equal(raw.closeCode, undefined);
  });
}
