import { median, rounded, type Result } from '../harness.ts';
import { Child } from './child.ts';
import { inFolder } from './in-folder.ts';
import { entity } from './traffic.ts';

const messages = 20_000;
const rounds = 7;

/** CPU of the relay for a stored message that goes to its recipient and is acknowledged, against that of reading it from LMDB and sending it. */
export function deliver(): Promise<readonly Result[]> {
  return inFolder(async (folder) => {
    const [relay, bare, recipient] = [
      new Child('relay-process.ts'),
      new Child('bare-process.ts'),
      new Child('recipient-process.ts'),
    ];
    try {
      const recipients = [entity('recipient', 0).identity];
      const url = await relay.ask<string>('start', { folder: `${folder}/relay`, recipients });
      const bareUrl = await bare.ask<string>('deliver', { folder: `${folder}/bare`, messages });
      const ours = async (): Promise<number> => {
        await relay.ask('fill', messages);
        const cost = await costOf(relay, () => recipient.ask('readMailbox', { url, messages }));
        if ((await relay.ask<number>('stored')) > 0) throw new Error('the mailbox is not empty');
        return cost;
      };
      const baseline = () => costOf(bare, () => recipient.ask('readBare', { url: bareUrl, messages }));
      // Until all is compiled.
      await ours();
      await baseline();
      const costs: { ours: number; baseline: number }[] = [];
      for (let round = 0; round < rounds; round++) costs.push({ ours: await ours(), baseline: await baseline() });
      await relay.ask('stop');
      await bare.ask('stop');
      return [
        {
          name: 'relay/deliver',
          unit: 'µs CPU/message',
          ours: rounded(median(costs.map((cost) => cost.ours))),
          baseline: rounded(median(costs.map((cost) => cost.baseline))),
          ratio: rounded(median(costs.map((cost) => cost.ours / cost.baseline))),
        },
      ];
    } finally {
      await Promise.all([relay.end(), bare.end(), recipient.end()]);
    }
  });
}

/** µs for each message. */
async function costOf(server: Child, read: () => Promise<unknown>): Promise<number> {
  const before = await server.ask<number>('cpu');
  await read();
  return (((await server.ask<number>('cpu')) - before) * 1_000) / messages;
}
