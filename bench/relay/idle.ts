import { rounded, type Result } from '../harness.ts';
import { Child } from './child.ts';
import { inFolder } from './in-folder.ts';

const connections = 2_000;

/** Memory of the relay for a recipient that is logged in and waits, against that of a bare WebSocket of `ws`. */
export function idle(): Promise<readonly Result[]> {
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
      return [
        {
          name: 'relay/idle',
          unit: 'kB/connection',
          ours: rounded(ours),
          baseline: rounded(baseline),
          ratio: rounded(ours / baseline),
        },
      ];
    } finally {
      await Promise.all([relay.end(), bare.end(), clients.end()]);
    }
  });
}

/** kB of a server for each of the connections. */
async function growth(server: Child, clients: Child, connect: string, url: string): Promise<number> {
  // Some connections first: what is loaded and compiled for the first one is not theirs.
  await clients.ask(connect, { url, count: 100 });
  await clients.ask('close');
  const before = await server.ask<number>('memory');
  await clients.ask(connect, { url, count: connections });
  const after = await server.ask<number>('memory');
  await clients.ask('close');
  return (after - before) / 1_024 / connections;
}
