import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Hex } from '../src/codec/index.ts';
import { connectAgent, createVault, openVault } from '../src/vault/index.ts';
import type { Vault } from '../src/vault/index.ts';
import type { Bench } from './harness.ts';

const bodyLength = 256;
/** Calls under way at a time. */
const window = 256;
const passphrase = 'bench';
const cost = { memory: 64, passes: 1, lanes: 1 };
const genesisHash: Hex = `0x${'01'.repeat(32)}`;

export const room = 'agent';

/** Opening a message of 256 bytes through the socket of an agent, pipelined, against a vault in the same process. */
export async function benches(): Promise<Bench[]> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-bench-'));
  const path = join(folder, 'vault');
  const socket = join(folder, 'run', 'socket');
  await (await createVault({ path, passphrase, cost })).close();
  const script = fileURLToPath(new URL('agent-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, path, socket, passphrase], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const inProcess = await openVault({ path, passphrase });
  const agent = await connectAgent({ socket });

  const peer = await createVault({ path: join(folder, 'peer'), passphrase, cost });
  const recipientKey = (await inProcess.ecdhKeys())[0]!.publicKey;
  const content = new Uint8Array(bodyLength).fill(5);
  const sealed = {
    genesisHash,
    to: inProcess.identity,
    recipientKey,
    sentAt: 1n,
    body: { kind: 'data', content } as const,
  };
  const envelopes = await Promise.all(
    Array.from({ length: window }, (_, n) => peer.seal({ ...sealed, nonce: BigInt(n) })),
  );
  const openAll = async (vault: Vault): Promise<void> => {
    const opened = await Promise.all(envelopes.map((envelope) => vault.open({ genesisHash, envelope })));
    assert.equal(opened.length, window);
  };

  return [
    {
      name: 'agent/open',
      ours: () => openAll(agent),
      oursPerCall: window,
      baseline: () => openAll(inProcess),
      baselinePerCall: window,
      end: async () => {
        child.stdin.end();
        await once(child, 'close');
        await Promise.all([inProcess.close(), agent.close(), peer.close()]);
        await rm(folder, { recursive: true });
      },
    },
  ];
}
