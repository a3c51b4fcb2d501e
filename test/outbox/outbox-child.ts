// An outbox in a process of its own that queues a message, posts all there is, and kills itself at one of its steps: before or
// after a commit, or after a node took an extrinsic. Where it has a rival, a node refuses its first extrinsic, and it tries the
// messages again; and before its second one other software of its worker posts with its next sequence.
import { accountFromSuri, connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { fromHex, type Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { toldToGoOn } from '../support/child.ts';
import { dyingStore } from '../support/dying-store.ts';
import { finishAll, retryFailed } from './finish-all.ts';

const [ws = '', vaultPath = '', dataPath = '', to = '', ecdhKey = '', killAt = '', suri = '', as = '', ...more] =
  process.argv.slice(2);
const [text = '', rival = ''] = more;
const killStep = Number(killAt);

let step = 0;
function mayDie(): void {
  if (step++ === killStep) process.kill(process.pid, 'SIGKILL');
}

const chain = await connectChain({ endpoints: [ws] });
const vault = await openVault({ path: vaultPath, passphrase: 'correct horse' });
await toldToGoOn();
const inner = await openLmdbStore({ path: dataPath });
const store = dyingStore(inner, mayDie);
let posts = 0;
const dying: Chain = {
  ...chain,
  async post(calls, account, options) {
    posts += rival === '' ? 0 : 1;
    if (posts === 2) await postAsRival(calls);
    const extrinsic = await chain.post(calls, account, {
      ...options,
      beforePost: async (signed) => {
        await options?.beforePost?.(signed);
        if (posts === 1) throw new RelayError('extrinsic-rejected', { details: { reason: 'Custom error: 7' } });
      },
    });
    mayDie();
    return extrinsic;
  },
};
const directory = new Map([[to as Hex, { current: { ecdhKey: fromHex(ecdhKey), proven: true } }]]);
const account = accountFromSuri(suri);
const outbox = createOutbox({ chain: dying, vault, store, directory, account });
const body = { kind: 'data', content: new TextEncoder().encode(text) } as const;
if (text !== '') await outbox.send({ to: to as Hex, body, as: as === 'worker' ? 'worker' : 'account' });
console.log('queued');
await retryFailed(outbox);
await outbox.start();
await finishAll(outbox);
await outbox.stop();
await chain.stop();
await inner.close();
await vault.close();
console.log(`done after ${step}`);

/** The sequence of the first of these is used by something else. */
async function postAsRival(calls: readonly Call[]): Promise<void> {
  const [first] = calls;
  if (first?.kind !== 'sync-offchain-message') return;
  const bytes = new TextEncoder().encode('elsewhere');
  const message = { destination: bytes, payload: bytes, sequence: first.sequence };
  const signature = await vault.sign({ type: 'worker-message', ...message });
  await chain.submit([{ ...first, ...message, signature }], accountFromSuri(rival));
}
