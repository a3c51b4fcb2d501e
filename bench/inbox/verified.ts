import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectChain } from '../../src/chain/index.ts';
import { toHex, topicOf } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { createVault } from '../../src/vault/index.ts';
import { alice } from '../../test/support/entities.ts';
import { realNodeBinary, startRealNode, type RealNodeOptions } from '../../test/support/real-node.ts';
import type { Result } from '../harness.ts';
import { cheapKdf, passphrase, recipientVault } from './recipient.ts';
import { besideEach, compare, costOfVariant, inTurns, resultOf, type Compared } from './run-variant.ts';

const blocks = 2_000;
/** In a process old garbage is collected in most runs or in none, which doubles what one costs: fewer rounds tell little of that. */
const rounds = 7;
/** Runs in a process until all is compiled that will be: what is done once a frame is called 48 times in each, … */
const warmUpRuns = 30;
/** … and those that count then. */
const warmRuns = 9;
const blockTimeMs = 20;
/** One posting in so many blocks … */
const every = 10;
/** … of so many messages, the half of them ours. */
const messagesEach = 20;
/** Until so many blocks were made. */
const patienceMs = 300_000;

type Comparison = 'once' | 'warm' | 'least' | 'besideLeast';

interface Served extends RealNodeOptions {
  readonly folder: string;
  readonly last: number;
  readonly messages: number;
}

/** A catch-up with proofs beside one that believes the node, which is a real one. */
export async function verified(): Promise<Result[]> {
  if (realNodeBinary === undefined) {
    console.error('inbox/verified: not measured, KHALA_RELAY_NODE names no polkadot-omni-node');
    return [];
  }
  const folder = await mkdtemp(join(tmpdir(), 'khala-bench-'));
  const kept = { basePath: join(folder, 'node'), statePruning: 'archive' } as const;
  try {
    const { last, messages } = await makeChain(folder, kept);
    const anyCall = await onNode({ ...kept, folder, last, messages });
    const safe = await onNode({ ...kept, safeRpcOnly: true, folder, last, messages });
    return [
      resultOf('inbox/verified CPU', 'ms', anyCall.warm, 'cpuMs'),
      resultOf('inbox/verified wall', 'ms', anyCall.warm, 'wallMs'),
      resultOf('inbox/verified wall, bare calls of ours', 'ms', anyCall.least, 'wallMs'),
      resultOf('inbox/verified wall beside bare calls', 'ms', anyCall.besideLeast, 'wallMs'),
      resultOf('inbox/verified CPU, safe RPCs only', 'ms', safe.warm, 'cpuMs'),
      resultOf('inbox/verified wall, safe RPCs only', 'ms', safe.warm, 'wallMs'),
      resultOf('inbox/verified CPU, new process', 'ms', anyCall.once, 'cpuMs'),
      resultOf('inbox/verified wall, new process', 'ms', anyCall.once, 'wallMs'),
      resultOf('inbox/verified CPU, safe RPCs only, new process', 'ms', safe.once, 'cpuMs'),
      resultOf('inbox/verified wall, safe RPCs only, new process', 'ms', safe.once, 'wallMs'),
      resultOf('inbox/verified peak memory', 'MB', anyCall.once, 'peakMb'),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the same blocks cost at a node that serves them. */
async function onNode({ folder, last, messages, ...options }: Served): Promise<Record<Comparison, Compared[]>> {
  // Without a block time it makes none that nobody asks for.
  await using node = await startRealNode(options);
  const task = { url: node.ws, folder, first: 1, last, messages };
  const run =
    (name: string, before = 0, times = 1) =>
    () =>
      costOfVariant(name, task, before, times);
  const once = await compare(rounds, run('proven'), run('plain'));
  const { proven, plain, least } = await inTurns(rounds, {
    proven: run('proven', warmUpRuns, warmRuns),
    plain: run('plain', warmUpRuns, warmRuns),
    least: run('bare-proven', warmUpRuns, warmRuns),
  });
  return {
    once,
    warm: besideEach(proven, plain),
    least: besideEach(least, plain),
    besideLeast: besideEach(proven, least),
  };
}

/** Blocks on disk, with messages in some. */
async function makeChain(
  folder: string,
  options: { readonly basePath: string; readonly statePruning: 'archive' },
): Promise<{ last: number; messages: number }> {
  await ready();
  await using node = await startRealNode({ ...options, blockTimeMs });
  await using chain = await connectChain({ endpoints: [node.ws] });
  await using recipient = await createVault({ path: join(folder, recipientVault), passphrase, cost: cheapKdf });
  await using sender = await createVault({ path: join(folder, 'sender'), passphrase, cost: cheapKdf });
  const [key] = await recipient.ecdhKeys();
  if (key === undefined) throw new Error('a new vault has a key');
  const [ours, others] = [topicOf(recipient.identity), topicOf(toHex(new Uint8Array(32).fill(9)))];
  const end = Date.now() + patienceMs;
  let nonce = BigInt(Date.now()) << 20n;
  let messages = 0;
  for (let due = 1; Date.now() < end;) {
    const { number } = await chain.finalizedHead();
    if (number >= blocks) return { last: number, messages };
    if (number < due) {
      await new Promise((resolve) => setTimeout(resolve, blockTimeMs));
      continue;
    }
    due = number + every;
    const calls = [];
    for (let i = 0; i < messagesEach; i++) {
      const payload = await sender.seal({
        genesisHash: chain.genesisHash,
        to: recipient.identity,
        recipientKey: key.publicKey,
        account: alice.id,
        nonce: nonce++,
        sentAt: BigInt(Date.now()),
        body: { kind: 'data', content: new Uint8Array(256).fill(i) },
      });
      calls.push({ kind: 'push-message', destination: i % 2 === 0 ? ours : others, payload } as const);
    }
    await chain.submit(calls, alice);
    messages += messagesEach / 2;
  }
  throw new Error(`the node made no ${blocks} blocks in ${patienceMs} ms`);
}
