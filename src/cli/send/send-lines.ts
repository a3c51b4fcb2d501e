import { asRelayError, RelayError } from '../../errors/index.ts';
import { createOutbox, type Receipt } from '../../outbox/index.ts';
import { createCarrier } from '../../relay/index.ts';
import { short } from '../output.ts';
import { mayReachPrivate, timeoutMs } from '../session.ts';
import { paying, senderOf, type SendingParts } from './sending.ts';

/** Messages that are queued and not yet gone: past that, standard input waits. */
const queuedAtMost = 256;

/**
 * Queues each line durably and sends it, in order, after what an earlier run left in the queue. What can't go is tried again,
 * until nothing has gone for as long as `--timeout` says; what is left then stays queued for the next run. Throws
 * still-queued, and what a message failed with.
 */
export async function sendLines(sending: SendingParts, lines: AsyncIterable<string>): Promise<void> {
  const { context, chain, client, to, account } = sending;
  const { flags, settings, signal } = context;
  const sender = senderOf(sending);
  const allowPrivate = mayReachPrivate(settings, chain);
  const setbacks = new Set<string>();
  await using outbox = createOutbox({
    ...sender,
    ...paying(flags),
    chain,
    carrier: createCarrier({ client, directory: sender.directory, allowPrivate }),
    ...(account === undefined ? {} : { account }),
    onSetback: ({ message, code }) => {
      // Once: it is tried again each second.
      if (!setbacks.has(code)) process.stderr.write(`khala-relay: not yet: ${message} [${code}]\n`);
      setbacks.add(code);
    },
  });
  await outbox.start();
  const progress = new Progress(timeoutMs(settings));
  for await (const { sendId, status, to: recipient } of outbox.entries()) {
    const isOpen = status.state === 'queued' || status.state === 'submitted';
    const left = isOpen && recipient === to ? await outbox.receipt(sendId) : undefined;
    if (left !== undefined) progress.add(tell(sending, left));
  }
  for await (const line of lines) {
    const content = new TextEncoder().encode(line);
    const receipt = await outbox.send({ to, body: { kind: 'data', content }, as: flags.as, via: flags.via });
    progress.add(tell(sending, receipt));
    await progress.until(({ left }) => left < queuedAtMost, signal);
  }
  await progress.until(({ left }) => left === 0, signal);
}

async function tell({ context }: SendingParts, receipt: Receipt): Promise<void> {
  const { flags, output } = context;
  const arrival = await receipt.reached(flags.wait === 'finalized' ? 'finalized' : 'inBlock');
  const { messageId } = arrival;
  if (arrival.state === 'relayed') {
    const { endpoint, status } = arrival;
    output.print(
      { event: 'sent', messageId, via: 'relay', endpoint, status },
      `Sent ${short(messageId)} to ${endpoint}: ${status}.`,
    );
    return;
  }
  const { blockHash, blockNumber } = arrival;
  output.print(
    { event: 'sent', messageId, via: 'chain', blockHash, block: blockNumber },
    `Sent ${short(messageId)} in block ${blockNumber} (${short(blockHash)}).`,
  );
}

/** How many messages are under way, and whether any of them gets on. */
class Progress {
  left = 0;
  readonly #patienceMs: number;
  #failure: RelayError | undefined;
  #change: () => void = () => undefined;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  add(message: Promise<void>): void {
    this.left += 1;
    message
      .catch((error: unknown) => {
        this.#failure ??= asRelayError(error, 'internal');
      })
      .finally(() => {
        this.left -= 1;
        this.#change();
      });
  }

  async until(holds: (progress: Progress) => boolean, signal: AbortSignal): Promise<void> {
    while (!holds(this)) {
      signal.throwIfAborted();
      const before = this.left;
      await this.#changed(signal);
      if (this.left === before) throw new RelayError('still-queued', { details: { count: this.left } });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, this.#patienceMs);
      signal.addEventListener('abort', done);
      this.#change = done;
    });
  }
}
