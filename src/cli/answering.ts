import type { Chain } from '../chain/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { Delivery } from '../inbox/index.ts';
import { openOutboxQueue, type OutboxQueue } from '../outbox/index.ts';
import { AnswerQueue, createReplier, type Relay, type RelayClient, type Replier } from '../relay/index.ts';
import type { Vault } from '../vault/index.ts';
import type { WorkerStateView } from '../worker-state/index.ts';
import type { AnswerDelivery } from './print-inbox.ts';
import { runHandler } from './run-handler.ts';
import type { EntityData } from './session.ts';
import type { Settings } from './settings.ts';
import type { Warn } from './warn.ts';

export interface AnsweringParts {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  readonly watch: { readonly state: Pick<WorkerStateView, 'get'> };
  readonly client: RelayClient;
  readonly settings: Settings;
  /** The entity's own relay, where the command runs one. */
  readonly relay?: Relay;
  readonly warn: Warn;
  readonly signal: AbortSignal;
}

export interface Answering {
  /** Answers a delivery as the settings say; resolves when its answer is under way, or there is none. Throws handler-failed. */
  readonly answer: AnswerDelivery;
  readonly cameBy: Replier['cameBy'];
}

/** What `listen` and `serve` do beside printing: `--on-invoke` and `--acknowledge`. */
export function answeringOf(parts: AnsweringParts): Answering {
  const { chain, vault, data, watch, client, relay, settings, warn, signal } = parts;
  const { onInvoke, acknowledge } = settings;
  const replier = createReplier({
    ...{ vault, client, store: data.store, genesisHash: chain.genesisHash, directory: watch.state },
    relays: settings.relay,
    ...(relay === undefined ? {} : { relay }),
  });
  const queue = openOutboxQueue(data.store);
  const answers = new AnswerQueue();
  const inVain = (error: unknown): false => {
    // Stopped: the message stays, and is answered at the next start.
    if (signal.aborted || !isRelayError(error)) throw error;
    warn(error.message, error);
    return false;
  };
  const contentFor = async (delivery: Delivery): Promise<Uint8Array | undefined> => {
    if (delivery.body.kind === 'reply') return undefined;
    if (delivery.body.kind === 'invocation' && onInvoke !== undefined) return runHandler(onInvoke, delivery, signal);
    return acknowledge ? new Uint8Array() : undefined;
  };
  return {
    cameBy: (messageId, url) => {
      replier.cameBy(messageId, url);
    },
    answer: async (delivery) => {
      await noteRead(queue, delivery);
      const content = await contentFor(delivery);
      if (content === undefined || delivery.fromKind !== 'worker') return undefined;
      const to = { id: delivery.from, registered: delivery.registered };
      const deliver = () => replier.reply(delivery, content, signal).then(() => true, inVain);
      try {
        const { over } = await answers.begin(to, deliver, signal);
        return { over: over.then(() => undefined, inVain).then(() => undefined) };
      } catch (error) {
        inVain(error);
        return { over: Promise.resolve() };
      }
    },
  };
}

/** A reply may be the word that a message of the queue was read: outbox ls shows it then. */
async function noteRead(queue: OutboxQueue, { body, from, messageId, sentAt }: Delivery): Promise<void> {
  if (body.kind === 'reply') await queue.noteReply({ messageId, from, inReplyTo: body.inReplyTo, sentAt });
}
