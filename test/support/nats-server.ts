import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const found = await find();

export interface NatsServerOptions {
  /** Lines of configuration besides those for JetStream and the ports. */
  readonly config?: string;
  /** The whole configuration, in place of these parts. */
  readonly whole?: (port: number, folder: string) => string;
  /** Settings of JetStream besides its folder. */
  readonly jetstream?: string;
  /** Where it listens. Default: any free port. */
  readonly port?: number;
  /** Its streams; the caller's to remove. Default: a folder that goes with the server. */
  readonly folder?: string;
}

export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** kill -9. Idempotent. */
  kill(): Promise<void>;
  /** Starts again what was killed, on the same port and with the same streams. */
  start(): Promise<void>;
  /** Ends it and removes what it stored. Idempotent. */
  stop(): Promise<void>;
}

/** A suite with a real nats-server. Skipped, and says so, where there is none and none can be had; not in CI. */
export function describeNats(title: string, suite: (this: Mocha.Suite) => void): void {
  if ('path' in found) {
    describe(title, suite);
    return;
  }
  process.stderr.write(`SKIPPED: ${title}: ${found.reason}\n`);
  if (process.env['CI'] === undefined) describe.skip(title, suite);
  else
    describe(title, () => {
      it('has a nats-server', () => assert.fail(found.reason));
    });
}

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'khala-relay-nats-')));
  const port = options.port ?? (await freePort());
  const config = join(folder, 'nats.conf');
  await mkdir(folder, { recursive: true });
  await writeFile(
    config,
    options.whole?.(port, folder) ??
      [
        `listen: 127.0.0.1:${port}`,
        `jetstream { store_dir: "${folder}", ${options.jetstream ?? ''} }`,
        options.config ?? '',
      ].join('\n'),
  );
  const server = new Server(config, port, options.folder === undefined ? folder : undefined);
  await server.start();
  return server;
}

/** Three servers that are one cluster: streams may have three replicas. */
export async function startNatsCluster(): Promise<readonly NatsServer[]> {
  const names = ['a', 'b', 'c'];
  const ports = await Promise.all(names.map(freePort));
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`);
  return Promise.all(
    names.map((name, at) =>
      startNats({
        config: [
          `server_name: ${name}`,
          `cluster { name: khala, listen: 127.0.0.1:${ports[at] ?? 0}, routes: [${routes.join(', ')}] }`,
        ].join('\n'),
      }),
    ),
  );
}

class Server implements NatsServer {
  readonly url: string;
  readonly port: number;
  readonly #config: string;
  readonly #folder: string | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(config: string, port: number, folder: string | undefined) {
    this.#config = config;
    this.#folder = folder;
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    assert.ok('path' in found);
    const child = spawn(found.path, ['-c', this.#config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
    const onExit = (): void => void child.kill('SIGKILL');
    process.once('exit', onExit);
    void this.#ended.then(() => process.off('exit', onExit));
    let log = '';
    // Read on for ever, or the pipe fills and the server stands still.
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 100_000) log += text;
    });
    await until(() => {
      assert.equal(child.exitCode, null, `nats-server ended:\n${log}`);
      return log.includes('Server is ready');
    });
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function find(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const script = fileURLToPath(new URL('../../scripts/nats-server.mjs', import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    return { path: stdout.trim() };
  } catch (error) {
    return { reason: (error as { stderr?: string }).stderr?.trim() ?? String(error) };
  }
}
