import { appendFileSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { createRelayClient } from '../../src/relay/index.ts';
import { textOf } from './raw-socket.ts';
import { bob, genesisHash, signer } from './support.ts';

/**
 * A recipient in a process of its own: `recipient-child.ts URL FILE`. Writes each message to the file as a line, to disk,
 * before it acknowledges it; knows by the file what an earlier run wrote.
 */
const [url = '', path = ''] = process.argv.slice(2);
const known = new Set(existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []);
const file = openSync(path, 'a');
const client = createRelayClient({ genesisHash, allowPrivate: true });
client
  .receive({ url, identity: bob.identity, sign: signer(bob), backoff: { firstMs: 5, mostMs: 20 } })
  .subscribe((event) => {
    if (event.type === 'ready') process.stdout.write('ready\n');
    if (event.type !== 'delivery') return;
    const text = textOf(event.signedEnvelope);
    if (!known.has(text)) {
      known.add(text);
      appendFileSync(file, `${text}\n`);
      fsyncSync(file);
    }
    event.ack();
  });
