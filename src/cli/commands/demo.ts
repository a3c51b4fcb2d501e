import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { accountFromSuri, connectChain } from '../../chain/index.ts';
import { startDevChain } from '../../dev-chain/index.ts';
import { registerEntity, rotateEntity } from '../../presence/index.ts';
import { createRelay, createRelayClient, type Relay } from '../../relay/index.ts';
import { openLmdbMailStore } from '../../store/index.ts';
import { watchWorkerState, type WorkerEntry } from '../../worker-state/index.ts';
import { action, command, type Context } from '../command.ts';
import { deliveryText } from '../print-inbox.ts';
import { createEntity, type Entity } from '../demo/entity.ts';
import { quoted, reply, askOffChain, sendOnChain, workerWhere, type Scene } from '../demo/exchange.ts';
import { Stage } from '../demo/stage.ts';
import { short } from '../output.ts';

interface Flags {
  readonly keep?: true;
}

// From the end: the beginning is the header, the same for all messages of a channel.
const shownCipherDigits = 64;
const passphrase = 'only for the demo';

export function demoCommand(description: string): Command {
  return command('demo', description, [])
    .option('--keep', 'leave chain and relay running, and print commands to play with')
    .action(action(0, demo));
}

async function demo(context: Context<Flags>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-relay-demo-'));
  try {
    await perform(context, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function perform({ flags, output, signal, interrupted }: Context<Flags>, folder: string): Promise<void> {
  const stage = new Stage(output);
  output.say('khala-relay: two entities of a Substrate chain find each other and talk.\n');
  await using dev = await stage.step(
    'Start a Khala-compatible chain',
    () => startDevChain({ signal }),
    ({ ws, genesisHash }) => `${ws}, genesis ${short(genesisHash)}`,
  );
  await using chain = await connectChain({ endpoints: [dev.ws], signal });
  await using watch = watchWorkerState(chain);
  await watch.ready;
  await using client = createRelayClient({ genesisHash: chain.genesisHash, allowPrivate: true });
  const scene: Scene = { chain, watch, client, account: accountFromSuri('//Alice') };
  const isRegistered = (id: Entity['vault']['identity']): boolean => watch.state.has(id);
  const [a, b] = await stage.step(
    'Make entities A and B',
    async () =>
      [
        await createEntity({ name: 'A', folder, passphrase, chain, isRegistered }),
        await createEntity({ name: 'B', folder, passphrase, chain, isRegistered }),
      ] as const,
    (made) => `keys made at random, sealed in ${made.map(({ name }) => `${name}.vault`).join(' and ')}`,
  );
  await using _a = a;
  await using _b = b;
  await using mailStore = await openLmdbMailStore({ path: join(folder, 'B.mail') });
  await using relay = relayOf(scene, b, mailStore);
  await relay.start();
  await b.startInbox(async (delivery) => {
    if (delivery.via === 'relay' && delivery.body.kind === 'data')
      await reply(scene, b, relay, delivery, 'yes, I hear you');
  });
  await a.startInbox();
  await play(stage, scene, a, b, relay);
  output.say('\nDone: found by the chain alone, encrypted end to end, on chain and off chain, over a key rotation.');
  if (flags.keep !== true) return;
  output.say(`\n${commandsToPlayWith(dev.ws, folder, b)}\n\nChain and relay go on until Ctrl-C.`);
  const shown = b.deliveries$.subscribe((delivery) => {
    output.say(`B received: ${deliveryText(delivery)}`);
  });
  await interrupted;
  shown.unsubscribe();
}

async function play(stage: Stage, scene: Scene, a: Entity, b: Entity, relay: Relay): Promise<void> {
  const { chain, account } = scene;
  await stage.step(
    'Register A',
    () => registerEntity({ chain, vault: a.vault, account }),
    ({ blockNumber }) => `${short(a.vault.identity)} in block ${blockNumber}, by sudo`,
  );
  await stage.step(
    'Register B with its endpoint',
    () => registerEntity({ chain, vault: b.vault, account: accountFromSuri('//Bob') }, [relay.url]),
    ({ blockNumber }) => `${short(b.vault.identity)} in block ${blockNumber}, by itself, at ${relay.url}`,
  );
  await stage.step(
    'WorkerState sees both',
    () => Promise.all([a, b].map(({ vault }) => workerWhere(scene, vault.identity, ({ current }) => current.proven))),
    (workers) => workers.map(describeWorker).join(' · '),
  );
  await onChain(stage, scene, a, b, 'hello B, on chain');
  await offChain(stage, scene, a, b);
  await stage.step(
    "Rotate B's EcdhKey",
    async () => {
      await rotateEntity({ chain, vault: b.vault, account });
      return workerWhere(scene, b.vault.identity, ({ current }) => current.epoch === 1);
    },
    (worker) => `WorkerState has ${describeWorker(worker)}`,
  );
  await onChain(stage, scene, a, b, 'hello again, to your new key');
}

async function onChain(stage: Stage, scene: Scene, a: Entity, b: Entity, text: string): Promise<void> {
  await stage.step(
    'A → B on chain',
    () => sendOnChain(scene, a, b, text),
    ({ blockNumber, cipher, delivery }) =>
      `block ${blockNumber} carries 0x…${cipher.slice(-shownCipherDigits)} (${(cipher.length - 2) / 2} bytes); B reads ${quoted(delivery)}`,
  );
}

async function offChain(stage: Stage, scene: Scene, a: Entity, b: Entity): Promise<void> {
  const { reply: answer } = await stage.step(
    'A → B off chain',
    () => askOffChain(scene, a, b, 'hello B, can you hear me?'),
    ({ endpoint, delivery }) => `through ${endpoint}; B reads ${quoted(delivery)}`,
  );
  await stage.step(
    'B → A, the reply',
    () => answer,
    ({ content }) => `A reads "${new TextDecoder().decode(content)}"`,
  );
}

function relayOf({ chain, watch }: Scene, b: Entity, mailStore: Awaited<ReturnType<typeof openLmdbMailStore>>): Relay {
  return createRelay({
    genesisHash: chain.genesisHash,
    listen: { port: 0 },
    mailStore,
    workerState: watch.state,
    local: { identity: b.vault.identity, vault: b.vault, accept: b.inbox.accept.bind(b.inbox) },
    allowPrivate: true,
  });
}

function describeWorker({ identity, current, endpoints }: WorkerEntry): string {
  const where = endpoints.length === 0 ? '' : ` at ${endpoints.join(', ')}`;
  return `${short(identity)} epoch ${current.epoch}${current.proven ? ' (proven)' : ''}${where}`;
}

function commandsToPlayWith(ws: string, folder: string, b: Entity): string {
  const run = 'node dist/cli/main.js';
  const vault = join(folder, 'A.vault');
  return [
    'In another terminal:',
    `  export KHALA_RELAY_PASSPHRASE='${passphrase}' KHALA_RELAY_WS=${ws}`,
    `  ${run} workers --watch`,
    `  ${run} send --vault ${vault} --to ${b.vault.identity} 'off chain'`,
    `  ${run} send --vault ${vault} --to ${b.vault.identity} --via chain --suri //Alice 'on chain'`,
  ].join('\n');
}
