import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { ready } from '../../src/crypto/index.ts';
import { createVault, dstackSealer, openVault, type Sealer } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { loadDstackSdk } from '../support/dstack-sdk.ts';
import { newVault, passphrase } from '../support/vaults.ts';

/**
 * The guest agent is part of a TEE's hardware and image. This one answers `POST /GetKey` on a Unix socket as its API
 * documents it: the same key for the same app, path and purpose.
 */
async function startGuestAgent(socket: string, app: string, answer?: (body: string) => unknown): Promise<Server> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { path, purpose } = JSON.parse(body) as { path: string; purpose: string };
      const key = createHash('sha256').update(`${app} ${path} ${purpose}`).digest('hex');
      const json = JSON.stringify(answer?.(body) ?? { key, signature_chain: ['aa', 'bb'] });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) });
      response.end(request.url === '/GetKey' && request.method === 'POST' ? json : '{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return server;
}

describe('vault: sealed by the guest agent of a TEE', () => {
  const folder = useTempDir();
  let agents: Server[] = [];
  const agent = async (name: string, app: string, answer?: (body: string) => unknown): Promise<string> => {
    agents.push(await startGuestAgent(folder(name), app, answer));
    return folder(name);
  };
  let sdk: Awaited<ReturnType<typeof loadDstackSdk>>;
  before(async () => {
    await ready();
    sdk = await loadDstackSdk();
  });
  const sealerOf = (endpoint: string, options: { readonly path?: string } = {}): Sealer =>
    dstackSealer({ client: new sdk.DstackClient(endpoint), ...options });
  afterEach(() => {
    for (const server of agents) server.close();
    agents = [];
  });

  it('opens where the same app asks, also for another path than its default', async () => {
    const endpoint = await agent('dstack.sock', 'app');
    for (const options of [{}, { path: 'my/vault' }]) {
      const path = folder(`vault ${JSON.stringify(options).length}`);
      await using made = await createVault({ path, sealer: sealerOf(endpoint, options) });
      // The path stands in the file.
      await using opened = await openVault({ path, sealer: sealerOf(endpoint) });
      assert.equal(opened.identity, made.identity);
      await made.rotate();
      assert.equal((await opened.ecdhKeys()).length, 2);
    }
  });

  it('does not open for another app, nor with a passphrase', async () => {
    const [mine, theirs] = [await agent('mine', 'mine'), await agent('theirs', 'theirs')];
    const path = folder('vault');
    await (await createVault({ path, sealer: sealerOf(mine) })).close();
    await rejected(openVault({ path, sealer: sealerOf(theirs) }), 'wrong-seal-key');
    await rejected(openVault({ path, passphrase }), 'wrong-sealer');
    await (await newVault(folder('other'))).close();
    await rejected(openVault({ path: folder('other'), sealer: sealerOf(mine) }), 'wrong-sealer');
  });

  it('says so where the agent is away or answers with something else', async () => {
    const path = folder('vault');
    const gone = await agent('gone', 'app');
    const client = new sdk.DstackClient(gone);
    await new Promise((resolve) => agents[0]!.close(resolve));
    await rejected(createVault({ path, sealer: dstackSealer({ client }) }), 'sealer-unavailable');
    const missing = dstackSealer({ endpoint: folder('nobody') });
    assert.match((await rejected(createVault({ path, sealer: missing }), 'sealer-unavailable')).message, /npm install/);
    const answers = [
      { error: 'no such app' },
      {},
      { key: 'zz', signature_chain: [] },
      { key: 'aabb', signature_chain: [] },
    ];
    for (const [i, answer] of answers.entries()) {
      const endpoint = await agent(`agent ${i}`, 'app', () => answer);
      const { message } = await rejected(createVault({ path, sealer: sealerOf(endpoint) }), 'sealer-unavailable');
      assert.ok(message.length < 300);
    }
  });
});
