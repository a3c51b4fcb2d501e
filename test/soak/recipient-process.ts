import {
  accountFromSuri,
  createInbox,
  createPhalaListener,
  isRelayError,
  openInboxFiles,
  rotateEntity,
  toHex,
  type Delivery,
  type InboxEvent,
  type PhalaEvent,
} from '../../src/index.ts';
import {
  commandTopic,
  config,
  ledgerOf,
  obey,
  openParts,
  run,
  tell,
  type Parts,
  type RecipientConfig,
} from './entity.ts';
import { PhalaStore } from '../../src/inbox/phala/phala-store.ts';
import { Ledger, type RecipientEntry } from './ledger.ts';

const retryMs = 200;
/** Between two words of how far it has read. */
const cursorMs = 200;

run(async () => {
  const settings = config() as RecipientConfig;
  const ledger = new Ledger<RecipientEntry>(ledgerOf(settings));
  ledger.add({ event: 'started' });
  const parts = await openParts(settings);
  const { chain, vault, store, watch } = parts;
  const isRegistered = (id: Delivery['from']): boolean => watch.state.has(id);
  const inbox = createInbox({
    chain,
    vault,
    store,
    isRegistered,
    finality: settings.finality,
    from: settings.from,
    onGap: 'skip',
  });
  const { identity } = vault;
  const reading = { topics: [commandTopic(identity)], from: settings.from, onGap: 'skip' } as const;
  const listener = createPhalaListener({ chain, vault, store, ...reading });
  await inbox.start();
  await listener.start();
  const ended = (error: unknown): void => {
    tell({ event: 'failed', code: isRelayError(error) ? error.code : 'unknown', reason: String(error) });
    process.exit(1);
  };
  inbox.events$.subscribe({
    next: (event) => write(ledger, event),
    error: ended,
  });
  listener.events$.subscribe({
    next: (event) => writeCommand(ledger, event),
    error: ended,
  });
  await Promise.all([inbox.ready, listener.ready]);
  const commands = new PhalaStore(store);
  // As it lies in the store: a process that is killed goes on from there.
  const tellCursor = async (): Promise<void> => {
    const cursors = [(await openInboxFiles(store)).cursor, await commands.cursor()];
    tell({ event: 'read', block: Math.min(...cursors.map((cursor) => cursor?.number ?? 0)) });
  };
  await tellCursor();
  tell({ event: 'ready' });
  const telling = setInterval(() => void tellCursor(), cursorMs);
  await obey(() => rotate(parts, settings));
  clearInterval(telling);
  for (const part of [listener, inbox, watch, chain, store, vault]) await part[Symbol.asyncDispose]();
  process.exit(0);
});

function write(ledger: Ledger<RecipientEntry>, event: InboxEvent): void {
  switch (event.type) {
    case 'message': {
      const { messageId: id, from, fromKind, nonce, body, block, finalized: isFinal, ack } = event.delivery;
      const text = body.kind === 'data' ? new TextDecoder().decode(body.content).trimEnd() : body.kind;
      ledger.add({ event: 'delivered', id, from, fromKind, nonce: String(nonce), text, isFinal, block });
      void ack.call(event.delivery).then(() => {
        ledger.add({ event: 'acknowledged', id });
      });
      return;
    }
    case 'retracted':
    case 'reinstated':
    case 'finalized':
      ledger.add({ event: event.type, id: event.messageId });
      return;
    case 'dead':
      ledger.add({ event: 'dead', id: event.messageId, code: event.code });
      return;
    case 'gap':
      ledger.add({ event: 'gap', first: event.first, last: event.last });
  }
}

function writeCommand(ledger: Ledger<RecipientEntry>, event: PhalaEvent): void {
  if (event.type === 'gap') ledger.add({ event: 'command-gap', first: event.first, last: event.last });
  if (event.type === 'dead') ledger.add({ event: 'dead', id: event.messageId, code: event.code });
  if (event.type !== 'message') return;
  const { delivery } = event;
  const { block, messageId: id, content } = delivery;
  ledger.add({ event: 'command', block, id, text: new TextDecoder().decode(content) });
  void delivery.ack().then(() => {
    ledger.add({ event: 'command-acknowledged', block, id });
  });
}

/** On any command. Until it is done: the chain may be away. A rotation that a crash broke off is taken up by the next. */
async function rotate({ chain, vault }: Parts, { suri }: RecipientConfig): Promise<void> {
  tell({ event: 'rotating' });
  for (;;) {
    try {
      const { ecdhKey } = await rotateEntity({ chain, vault, account: accountFromSuri(suri) });
      tell({ event: 'rotated', key: toHex(ecdhKey) });
      return;
    } catch (error) {
      tell({ event: 'setback', code: isRelayError(error) ? error.code : String(error) });
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}
