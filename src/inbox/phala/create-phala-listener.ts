import type { Observable } from 'rxjs';
import type { BlockId, BlockNumber, Chain, MessageSpan } from '../../chain/index.ts';
import { RelayError } from '../../errors/index.ts';
import { tell } from '../../signals/index.ts';
import type { TransactionalStore } from '../../store/index.ts';
import type { Vault } from '../../vault/index.ts';
import { checkOptions } from '../check-options.ts';
import type { GapPolicy } from '../follow-finalized.ts';
import { reached } from '../reached.ts';
import { alreadyRead, checkCursor, finalBlocks, newestFinal, readingFrom } from '../starting-point.ts';
import { PhalaDispatcher } from './phala-dispatcher.ts';
import type { PhalaEvent, PhalaListener } from './phala-listener.ts';
import { PhalaStore } from './phala-store.ts';
import type { PostedItem } from './posted-item.ts';

export interface PhalaListenerOptions {
  /** Listeners and inboxes over the same one share what is read of it. */
  readonly chain: Chain;
  /** Opens what is sealed to any of its EcdhKeys. */
  readonly vault: Vault;
  /** May be that of the entity's inbox; one listener at a time. */
  readonly store: TransactionalStore;
  /** Those read, as `contractTopic` makes them or any others. They should stay the same over restarts. */
  readonly topics: readonly Uint8Array[];
  /**
   * First block to read where nothing was read yet, or head: the one after the present finalized head. Default: as it was given
   * before, and head where it never was. While nothing was read since a number was given, another one or head counts instead.
   */
  readonly from?: BlockNumber | 'head';
  /** As of `InboxOptions`. */
  readonly verify?: boolean;
  /** What to do about blocks of which no endpoint has the state any more. Default stop, with blocks-missing. */
  readonly onGap?: GapPolicy;
  /** As of `InboxOptions`. */
  readonly onNotice?: (notice: RelayError) => void;
}

/** Finalized blocks only: what has no nonce could not be told apart when a reorg brings it back. Throws bad-value. */
export function createPhalaListener(options: PhalaListenerOptions): PhalaListener {
  checkOptions(options);
  return new StoredPhalaListener(options);
}

class StoredPhalaListener implements PhalaListener {
  readonly events$: Observable<PhalaEvent>;
  readonly ready: Promise<void>;
  readonly #options: PhalaListenerOptions;
  readonly #store: PhalaStore;
  readonly #stopping = new AbortController();
  /** Fires when it is to read no more: it is stopped, or has failed. */
  readonly #ending = new AbortController();
  readonly #dispatcher: PhalaDispatcher;
  #starting: Promise<void> | undefined;
  #reading: Promise<unknown> | undefined;
  #markReady: () => void = () => undefined;
  #markFailed: (error: unknown) => void = () => undefined;

  constructor(options: PhalaListenerOptions) {
    this.#options = options;
    this.#store = new PhalaStore(options.store);
    this.ready = new Promise((resolve, reject) => {
      this.#markReady = resolve;
      this.#markFailed = reject;
    });
    this.ready.catch(() => undefined);
    const { chain, vault } = options;
    const { signal } = this.#stopping;
    const parts = { genesisHash: chain.genesisHash, vault, store: this.#store, signal };
    const onFailure = (error: RelayError): void => {
      this.#ending.abort();
      this.#markFailed(error);
    };
    this.#dispatcher = new PhalaDispatcher({ ...parts, onFailure });
    this.events$ = this.#dispatcher.events$;
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#dispatcher.fail(error);
      throw error;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#ending.abort();
    this.#markFailed(new RelayError('aborted'));
    await this.#starting?.catch(() => undefined);
    await this.#reading;
    await this.#dispatcher.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { chain, from, verify, onNotice } = this.#options;
    const { signal } = this.#stopping;
    await this.#store.claim(chain.genesisHash);
    const stored = await this.#store.cursor();
    const isFixed = stored !== undefined && (from === undefined || !(await this.#store.isAtGivenStart(stored)));
    const cursor = isFixed ? stored : await this.#begin(signal);
    if (isFixed) {
      await checkCursor(stored, finalBlocks(chain, verify, signal));
      const notice = alreadyRead(from, stored);
      if (notice !== undefined) tell(() => onNotice?.(notice));
    }
    const { number: present } = await finalBlocks(chain, verify, signal).newest();
    const { signal: ending } = this.#ending;
    if (ending.aborted) return;
    this.#reading = this.#read(cursor, present, ending).catch((error: unknown) => {
      if (!ending.aborted) this.#dispatcher.fail(error);
    });
  }

  /** Throws bad-value for a `from` yet to come. */
  async #begin(signal: AbortSignal): Promise<BlockId> {
    const { chain, from = 'head', verify, onNotice } = this.#options;
    const blocks = finalBlocks(chain, verify, signal);
    const present = await blocks.newest();
    const last = from === 'head' ? present : await blocks.at(Math.max(from - 1, 0));
    if (last === undefined || last.number > present.number)
      throw new RelayError('bad-value', {
        details: { what: 'The first block to read', reason: `the chain is only at block ${present.number}` },
      });
    await this.#store.begin(last, from !== 'head');
    const notice = readingFrom(from, last);
    if (notice !== undefined) tell(() => onNotice?.(notice));
    return last;
  }

  async #read(cursor: BlockId, newest: BlockNumber, signal: AbortSignal): Promise<void> {
    const { chain, topics, verify } = this.#options;
    let present = newest;
    if (cursor.number >= present) this.#markReady();
    const options = { topics, ...(verify === undefined ? {} : { verify }) };
    for await (const span of chain.messages.follow(cursor, options, signal)) {
      if (span.type === 'retracted') {
        // Later blocks were made up by one node: what is kept of them is forgotten.
        await this.#dispatcher.holding((next) => this.#store.goBackTo(span.through, next));
        // Who made that up may have been who told how far the chain is.
        const { number } = await reached(() => newestFinal(chain, verify, signal), signal);
        present = Math.min(present, number);
      } else {
        const items = this.#itemsOf(span);
        // A crash reads quiet blocks again: those of a backlog are not worth a transaction each.
        if (items.length > 0 || span.through.number >= present) await this.#store.take(items, span.through);
        // Another process may have tried dead letters again.
        this.#dispatcher.wake();
      }
      if (span.through.number >= present) this.#markReady();
    }
  }

  /** Throws blocks-missing. */
  #itemsOf(span: Exclude<MessageSpan, { readonly type: 'retracted' }>): PostedItem[] {
    if (span.type === 'blocks')
      return span.messages.map(({ destination, payload, sender, block, proven }) => ({
        ...({ kind: 'posted', topic: destination, payload, sender } as const),
        block: block.number,
        isProven: proven,
      }));
    const { first, through, reason } = span;
    if (this.#options.onGap === 'skip') return [{ kind: 'gap', first, last: through.number }];
    throw new RelayError('blocks-missing', { details: { first, last: through.number, reason } });
  }
}
