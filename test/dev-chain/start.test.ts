import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startDevChain, type DevChainOptions } from '../../src/dev-chain/index.ts';
import { isRelayError, type ErrorCode } from '../../src/errors/index.ts';

const root = new URL('../../', import.meta.url);
const committed = new URL('runtime/artifacts/khala-dev.spec.json', root);

async function failsWith(options: DevChainOptions, code: ErrorCode, text = ''): Promise<void> {
  await assert.rejects(startDevChain(options), (error) => isRelayError(error, code) && error.message.includes(text));
}

/** Runs a module of its own and gives what it printed; fails where it does not end by itself. */
async function run(source: string, ...flags: readonly string[]): Promise<string> {
  const options = { cwd: root, timeout: 50_000 };
  const node = [...flags, '--input-type=module', '--eval', source];
  return (await promisify(execFile)(process.execPath, node, options)).stdout;
}

describe('dev-chain: start and stop', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'khala-relay-dev-chain-'));
  });

  after(() => rm(folder, { recursive: true }));

  const specOf = async (content: string): Promise<string> => {
    const path = join(folder, 'spec.json');
    await writeFile(path, content);
    return path;
  };

  it('names a port that is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await failsWith({ port }, 'dev-port-taken', String(port));
    server.close();
    await failsWith({ host: '192.0.2.1' }, 'dev-listen-failed', '192.0.2.1');
  });

  it('says what is wrong with a chain spec', async () => {
    await failsWith({ chainSpec: join(folder, 'missing.json') }, 'dev-spec-unreadable', 'missing.json');
    await failsWith({ chainSpec: new URL('http://127.0.0.1/spec.json') }, 'dev-spec-unreadable', '127.0.0.1');
    for (const [content, reason] of [
      ['{', 'not JSON'],
      ['[]', 'not a JSON object'],
      ['{"name":"x"}', 'no genesis'],
      ['{"genesis":{"runtimeGenesis":{}}}', 'not raw'],
      ['{"genesis":{"raw":{}}}', 'no top'],
      ['{"genesis":{"raw":{"top":{"0x1":"0x00"}}}}', 'the key 0x1 is not hex'],
      ['{"genesis":{"raw":{"top":{"0x3a636f6465":"0x0g"}}}}', 'the value at 0x3a636f6465 is not hex'],
      ['{"genesis":{"raw":{"top":{"0x00":"0x00"}}}}', 'no runtime'],
    ] as const) {
      await failsWith({ chainSpec: await specOf(content) }, 'dev-spec-invalid', reason);
    }
    const noWasm = '{"genesis":{"raw":{"top":{"0x3a636f6465":"0x0061736d"}}}}';
    await failsWith({ chainSpec: await specOf(noWasm) }, 'dev-runtime-invalid');
  });

  it('runs another chain spec, given by path or by URL', async () => {
    const spec = JSON.parse(await readFile(committed, 'utf8')) as { name: string };
    const path = await specOf(JSON.stringify({ ...spec, name: 'Another' }));
    await using byPath = await startDevChain({ chainSpec: path });
    await using byUrl = await startDevChain({ chainSpec: committed });
    assert.equal(byPath.genesisHash, byUrl.genesisHash);
  });

  it('names options that are out of range', async () => {
    await failsWith({ port: 65_536 }, 'dev-option-invalid', 'port');
    await failsWith({ workers: -1 }, 'dev-option-invalid', 'workers');
    await failsWith({ blockTimeMs: 0 }, 'dev-option-invalid', 'block time');
    await failsWith({ finalityLag: 1.5 }, 'dev-option-invalid', 'finality lag');
  });

  it('builds a block every so often with a block time', async () => {
    await using chain = await startDevChain({ blockTimeMs: 50 });
    while (chain.head.number < 4) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  it('stops as often as it is told to, also by its signal', async () => {
    const abort = new AbortController();
    const chain = await startDevChain({ signal: abort.signal });
    abort.abort();
    await Promise.all([chain.stop(), chain.stop()]);
    await chain[Symbol.asyncDispose]();
    await assert.rejects(chain.newBlock(), (error) => isRelayError(error, 'dev-chain-stopped'));
    await failsWith({ signal: abort.signal }, 'dev-chain-stopped');
  });

  it('leaves nothing behind that keeps the process alive, and prints nothing', async () => {
    const source = `
      import { startDevChain } from './src/dev-chain/index.ts';
      const chain = await startDevChain({ workers: 2 });
      await chain.newBlock();
      await chain.stop();
    `;
    assert.equal(await run(source, '--import', 'tsx/esm'), '');
  });

  // As built: where tsx loads the modules, each import() is a turn of the event loop already.
  it('tells each head, lets timers fire and can be stopped while it builds many blocks', async () => {
    const stdout = await run(`
      import { once } from 'node:events';
      import { setTimeout } from 'node:timers/promises';
      import { WebSocket } from 'ws';
      import { startDevChain } from './dist/dev-chain/index.js';
      const chain = await startDevChain();
      const client = new WebSocket(chain.ws);
      await once(client, 'open');
      client.send('{"jsonrpc":"2.0","id":1,"method":"chain_subscribeNewHeads","params":[]}');
      await once(client, 'message');
      const head = new Promise((resolve) => {
        client.on('message', (data) => String(data).includes('"number":"0x2"') && resolve());
      });
      const building = chain.newBlock({ count: 2000 }).then(({ number }) => number, ({ code }) => code);
      await Promise.all([head, setTimeout(1)]);
      await chain.stop();
      console.log(await building);
    `);
    assert.equal(stdout, 'dev-chain-stopped\n');
  });

  it('loads nothing heavy before it starts', () => {
    const entry = new URL('src/dev-chain/index.ts', root);
    const packages = new Set<string>();
    const seen = new Set<string>();
    const visit = (file: URL): void => {
      if (seen.has(file.href)) return;
      seen.add(file.href);
      // Static imports and re-exports of values; types are gone at run time and import() comes later.
      const statements = /^(?:import|export)(?! type\b)[^;']*?from '([^']+)';|^import '([^']+)';/gm;
      for (const [, from, bare] of readFileSync(file, 'utf8').matchAll(statements)) {
        const name = from ?? bare ?? '';
        if (name.startsWith('.')) visit(new URL(name, file));
        else if (!name.startsWith('node:')) packages.add(name);
      }
    };
    visit(entry);
    assert.ok(seen.size > 20);
    assert.deepEqual([...packages], ['@noble/hashes/blake2.js']);
  });
});
