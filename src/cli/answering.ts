import type { Chain } from '../chain/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { Delivery } from '../inbox/index.ts';
import { openOutboxQueue, type OutboxQueue } from '../outbox/index.ts';
import {
  AnswerQueue,
  createReplier,
  HandlerTurns,
  type Relay,
  type RelayClient,
  type Replier,
} from '../relay/index.ts';
import type { Vault } from '../vault/index.ts';
import type { WorkerStateView } from '../worker-state/index.ts';
import type { AnswerDelivery, UnderWay } from './print-inbox.ts';
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
  /**
   * Answers a delivery as the settings say. Resolves at once where a handler is to run, in the turn of its sender: printing does not
   * wait for it; its end rejects with handler-failed.
   */
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
  const turns = new HandlerTurns();
  const inVain = (error: unknown): false => {
    // Stopped: the message stays, and is answered at the next start.
    if (signal.aborted) throw new RelayError('aborted', { cause: error });
    if (!isRelayError(error)) throw error;
    warn(error.message, error);
    return false;
  };
  /** Resolves when the answer has a place among those on their way. */
  const begin = async (delivery: Delivery, content: Uint8Array): Promise<UnderWay> => {
    const to = { id: delivery.from, registered: delivery.registered };
    const deliver = () => replier.reply(delivery, content, signal).then(() => true, inVain);
    try {
      const { over } = await answers.begin(to, deliver, signal, content.length);
      return { over: over.then(() => undefined, inVain).then(() => undefined) };
    } catch (error) {
      inVain(error);
      return { over: Promise.resolve() };
    }
  };
  const handle = async (program: string, delivery: Delivery): Promise<void> => {
    const content = await turns.run(delivery, () => {
      if (signal.aborted) throw new RelayError('aborted', { cause: signal.reason });
      return runHandler(program, delivery, signal);
    });
    if (delivery.fromKind === 'worker') await (await begin(delivery, content)).over;
  };
  return {
    cameBy: (messageId, url) => {
      replier.cameBy(messageId, url);
    },
    answer: async (delivery) => {
      const { kind } = delivery.body;
      await noteRead(queue, delivery);
      if (kind === 'invocation' && onInvoke !== undefined) return { over: handle(onInvoke, delivery) };
      return kind === 'reply' || !acknowledge || delivery.fromKind !== 'worker'
        ? undefined
        : begin(delivery, new Uint8Array());
    },
  };
}

/** A reply may be the word that a message of the queue was read: outbox ls shows it then. */
async function noteRead(queue: OutboxQueue, { body, from, messageId, sentAt }: Delivery): Promise<void> {
  if (body.kind === 'reply') await queue.noteReply({ messageId, from, inReplyTo: body.inReplyTo, sentAt });
}
