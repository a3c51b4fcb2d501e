import type { Logger } from 'pino';
import { asRelayError, type RelayError } from '../errors/index.ts';
import type { MailStore } from '../store/mail-store.ts';

export interface ReadinessParts {
  readonly mailStore: MailStore;
  /** The queue to other relays. */
  readonly forwardStore: MailStore | undefined;
  /** False while the relay stops. */
  readonly isRunning: () => boolean;
  readonly logger: Logger;
}

// Each trial is a write: however often somebody asks, there are no more than these.
const keepMs = { ready: 5_000, failed: 1_000 };
const timeoutMs = 5_000;

type Outcome = 'ready' | RelayError;

/** Whether messages can be taken now: what is full or broken is found out by a trial, and so is that it is well again. */
export class Readiness {
  readonly #parts: ReadinessParts;
  #trying: Promise<Outcome> | undefined;
  #last: Outcome = 'ready';
  #until = 0;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** Text: why they can not. */
  async check(): Promise<'ready' | { readonly reason: string }> {
    if (!this.#parts.isRunning()) return { reason: 'relay-stopping' };
    const outcome = performance.now() < this.#until ? this.#last : await (this.#trying ??= this.#try());
    return outcome === 'ready' ? 'ready' : { reason: outcome.code };
  }

  async #try(): Promise<Outcome> {
    const { mailStore, forwardStore, logger } = this.#parts;
    const [ofMail, ofQueue] = await Promise.all([failureOf(mailStore), forwardStore && failureOf(forwardStore)]);
    // A full queue refuses what is for it, no more: who fills it must not take the relay away from its recipients.
    const outcome = ofMail ?? (ofQueue?.code === 'mailbox-full' ? undefined : ofQueue) ?? 'ready';
    if (outcome !== 'ready' && this.#last === 'ready') {
      const where = ofMail === undefined ? 'the queue to other relays' : 'mailboxes';
      logger.error({ err: outcome }, `no message can be stored in ${where}`);
    }
    if (outcome === 'ready' && this.#last !== 'ready') logger.info('messages can be stored again');
    this.#last = outcome;
    this.#until = performance.now() + (outcome === 'ready' ? keepMs.ready : keepMs.failed);
    this.#trying = undefined;
    return outcome;
  }
}

/** Why nothing can be put into it now. */
async function failureOf(store: MailStore): Promise<RelayError | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, timeoutMs, new Error(`no answer within ${timeoutMs} ms`));
  });
  try {
    await Promise.race([store.check(), tooLate]);
    return undefined;
  } catch (error) {
    return asRelayError(error, 'mail-store-failed', { action: 'write' });
  } finally {
    clearTimeout(timer);
  }
}
