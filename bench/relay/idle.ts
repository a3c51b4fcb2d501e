import { median, rounded, type Result } from '../harness.ts';
import { Child } from './child.ts';
import { inFolder } from './in-folder.ts';

const connections = 2_000;
const first = 500;
/** Processes of their own in each: how much room a heap takes for what may come differs from one to the next. */
const rounds = 5;

/** Memory of the relay for a recipient that is logged in and waits, against that of a bare WebSocket of `ws`. */
export async function idle(): Promise<readonly Result[]> {
  const all: { ours: number; baseline: number }[] = [];
  for (let round = 0; round < rounds; round++) all.push(await oneRound());
  return [
    {
      name: 'relay/idle',
      unit: 'kB/connection',
      ours: rounded(median(all.map(({ ours }) => ours))),
      baseline: rounded(median(all.map(({ baseline }) => baseline))),
      ratio: rounded(median(all.map(({ ours, baseline }) => ours / baseline))),
    },
  ];
}

function oneRound(): Promise<{ ours: number; baseline: number }> {
  return inFolder(async (folder) => {
    const gc = ['--expose-gc'];
    const [relay, bare, clients] = [
      new Child('relay-process.ts', gc),
      new Child('bare-process.ts', gc),
      new Child('recipient-process.ts'),
    ];
    try {
      const url = await relay.ask<string>('start', { folder, recipients: [] });
      const bareUrl = await bare.ask<string>('idle');
      const ours = await growth(relay, clients, 'loginAll', url);
      const baseline = await growth(bare, clients, 'connectAll', bareUrl);
      await relay.ask('stop');
      return { ours, baseline };
    } finally {
      await Promise.all([relay.end(), bare.end(), clients.end()]);
    }
  });
}

/** kB of a server for each of the connections. */
async function growth(server: Child, clients: Child, connect: string, url: string): Promise<number> {
  // Some connections first, which stay: what is loaded, compiled and reserved for the first ones is not the others'.
  await clients.ask(connect, { url, from: 0, count: first });
  const before = await server.ask<number>('memory');
  await clients.ask(connect, { url, from: first, count: connections });
  const after = await server.ask<number>('memory');
  await clients.ask('close');
  return (after - before) / 1_024 / connections;
}
