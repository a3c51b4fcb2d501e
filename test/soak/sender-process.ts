import {
  accountFromSuri,
  createOutbox,
  isRelayError,
  type Hex,
  type Receipt,
  type RelayError,
} from '../../src/index.ts';
import { config, ledgerOf, obey, openParts, run, tell, type SenderConfig } from './entity.ts';
import { Ledger, type SenderEntry } from './ledger.ts';

/** Queues a message for each of `send`, padded to `bytes`. */
export interface SenderCommand {
  readonly send: readonly Hex[];
  readonly bytes: number;
}

run(async () => {
  const settings = config() as SenderConfig;
  const ledger = new Ledger<SenderEntry>(ledgerOf(settings));
  const sent = ledger.entries().filter(({ event }) => event === 'meant').length;
  ledger.add({ event: 'started' });
  const { chain, vault, store, watch } = await openParts(settings);
  const account = accountFromSuri(settings.suri);
  const onSetback = ({ code, message: reason }: RelayError): void => {
    tell({ event: 'setback', code, reason });
  };
  const outbox = createOutbox({ chain, vault, store, directory: watch.state, account, onSetback });
  await outbox.start();
  let next = sent;
  const follow = (to: Hex, { status$, nonce }: Receipt): void => {
    status$.subscribe((status) => {
      if (status.state === 'failed') ledger.add({ event: 'failed', to, nonce: String(nonce), code: status.error.code });
    });
  };
  tell({ event: 'ready' });
  await obey(async (command) => {
    const { send, bytes } = command as SenderCommand;
    for (const to of send) {
      const text = `${settings.name} ${next++}`;
      ledger.add({ event: 'meant', to, text });
      try {
        const content = new TextEncoder().encode(text.padEnd(bytes));
        const receipt = await outbox.send({ to, body: { kind: 'data', content }, as: settings.as });
        ledger.add({ event: 'queued', text, nonce: String(receipt.nonce) });
        follow(to, receipt);
      } catch (error) {
        tell({ event: 'refused', text, code: isRelayError(error) ? error.code : String(error) });
      }
    }
  });
  for (const part of [outbox, watch, chain, store, vault]) await part[Symbol.asyncDispose]();
  process.exit(0);
});
