import type { Account, Call, Chain, Inclusion } from '../chain/index.ts';
import { topicOf } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import type { Vault } from '../vault/index.ts';
import type { QueuedMessage } from './queued-message.ts';

/**
 * Posts messages of one kind of sender as one extrinsic, in order. As worker each carries the next sequence that the
 * chain expects of it (protocol.md §10). Throws what Chain.submit throws.
 */
export async function post(
  messages: readonly QueuedMessage[],
  { chain, vault, account, signal }: { chain: Chain; vault: Vault; account: Account; signal: AbortSignal },
): Promise<Inclusion> {
  const [first] = messages;
  const calls = first?.as === 'account' ? messages.map(pushCall) : await workerCalls(messages, chain, vault, signal);
  return chain.submit(calls, account, { signal });
}

function pushCall({ envelope }: QueuedMessage): Call {
  return { kind: 'push-message', destination: topicOf(decodeV1(envelope).header.to), payload: envelope };
}

async function workerCalls(
  messages: readonly QueuedMessage[],
  chain: Chain,
  vault: Vault,
  signal: AbortSignal,
): Promise<Call[]> {
  const { hash } = await chain.bestHead(signal);
  const first = await chain.at(hash).ingressSequence(vault.identity, signal);
  return Promise.all(
    messages.map(async ({ envelope }, i) => {
      const sequence = first + BigInt(i);
      const message = { destination: topicOf(decodeV1(envelope).header.to), payload: envelope };
      const signature = await vault.sign({ type: 'worker-message', ...message, sequence });
      return { kind: 'sync-offchain-message', worker: vault.identity, ...message, sequence, signature } as const;
    }),
  );
}
