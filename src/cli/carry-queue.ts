import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Chain } from '../chain/index.ts';
import { isRelayError, type ErrorCode } from '../errors/index.ts';
import { createOutbox, openOutboxQueue, watchDeliveries, type OffChainCarrier } from '../outbox/index.ts';
import { createCarrier, type PeerDirectory, type RelayClient } from '../relay/index.ts';
import { lockFile } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { Progress } from './send/progress.ts';
import { mayReachPrivate, timeoutMs, type EntityData } from './session.ts';
import type { Settings } from './settings.ts';
import { warnBy } from './warn.ts';

export interface CarryQueueParts {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  readonly watch: { readonly state: PeerDirectory };
  readonly client: RelayClient;
  readonly settings: Settings;
  readonly logger: Logger;
}

/** Between looks into the queue, ms. */
const lookMs = 15_000;

/**
 * Until it is disposed: sends off chain what a `send` had to leave in the queue, each time for as long as any of it goes, so that
 * a `send` of the same entity waits for its turn and not for ever. Nothing goes on chain: nobody here has agreed to fees. All the
 * time it waits for the words that messages were delivered.
 */
export function carryQueue(parts: CarryQueueParts): AsyncDisposable {
  const ended = new AbortController();
  const running = run(parts, ended.signal);
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await running;
    },
  };
}

async function run(parts: CarryQueueParts, signal: AbortSignal): Promise<void> {
  const { chain, data, watch, client, settings, logger } = parts;
  const allowPrivate = mayReachPrivate(settings, chain);
  const carrier = createCarrier({ client, directory: watch.state, allowPrivate, forwarders: settings.forwarder });
  await using deliveries = watchDeliveries({
    ...{ store: data.store, carrier },
    onSetback: (error) => {
      logger.debug({ err: error }, 'whether a message was delivered can not be asked');
    },
  });
  const told = new Set<ErrorCode>();
  while (!signal.aborted) {
    try {
      await deliveries.look();
      await carry(parts, carrier, told, signal);
    } catch (error) {
      // Another command sends from this queue now; or what is left can't go yet, and is tried again.
      const isExpected = ['locked', 'still-queued', 'aborted'].some(
        (code) => isRelayError(error) && error.code === code,
      );
      if (!isExpected) logger.warn({ err: error }, 'the queue could not be carried');
    }
    await sleep(lookMs, undefined, { signal, ref: false }).catch(() => undefined); // aborted: the loop ends
  }
}

/** `told`: of which setbacks the log has a line already, while messages wait. */
async function carry(
  { chain, vault, data, watch, settings, logger }: CarryQueueParts,
  carrier: OffChainCarrier,
  told: Set<ErrorCode>,
  signal: AbortSignal,
): Promise<void> {
  const warn = warnBy(logger);
  const waiting: bigint[] = [];
  for await (const sendId of openOutboxQueue(data.store).waitingOffChain()) waiting.push(sendId);
  if (waiting.length === 0) {
    told.clear();
    return;
  }
  const lock = await lockFile(join(data.folder, 'outbox'), 0);
  try {
    const progress = new Progress(timeoutMs(settings));
    await using outbox = createOutbox({
      ...{ chain, vault, store: data.store, directory: watch.state, requireProven: settings.requireProven },
      carrier: { ...carrier, carry: (...message) => progress.trying(() => carrier.carry(...message)) },
      onSetback: (error) => {
        progress.setback(error);
        if (!told.has(error.code)) warn(`a queued message can not go yet: ${error.message}`, error);
        told.add(error.code);
      },
      onNotice: (notice) => {
        warn(notice.message, notice);
      },
    });
    await outbox.start();
    for (const sendId of waiting) {
      const receipt = await outbox.receipt(sendId);
      if (receipt !== undefined)
        progress.add(receipt, 'inBlock', ({ messageId }) => {
          logger.info({ messageId, sendId: Number(sendId) }, 'a queued message went');
        });
    }
    await progress.until(0, signal);
  } finally {
    await lock.release();
  }
}
