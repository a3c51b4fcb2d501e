import { createRelayClient, feedFromMailbox } from '../../src/relay/index.ts';
import { openBobsInbox } from './bobs-inbox.ts';
import { genesisHash } from './support.ts';

/**
 * A recipient in a process of its own: `recipient-child.ts URL FOLDER`. Reads its mailbox into an inbox over LMDB. Nothing here
 * knows what came before.
 */
const [url = '', folder = ''] = process.argv.slice(2);
const { local, write } = await openBobsInbox(folder);
const client = createRelayClient({ genesisHash, allowPrivate: true });
feedFromMailbox({ client, genesisHash, url, local, backoff: { firstMs: 5, mostMs: 20 } }).subscribe((event) => {
  if (event.type === 'ready') process.stdout.write('ready\n');
  if (event.type === 'dead' || event.type === 'refused') write(`got ${JSON.stringify(event.type)}`);
});
