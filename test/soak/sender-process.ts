import {
  accountFromSuri,
  createOutbox,
  isRelayError,
  type Hex,
  type Receipt,
  type RelayError,
} from '../../src/index.ts';
import { commandTopic, config, ledgerOf, obey, openParts, run, tell, type SenderConfig } from './entity.ts';
import { Ledger, type SenderEntry } from './ledger.ts';

/** Queues a message for each of `send`, padded to `bytes`. */
export interface SenderCommand {
  readonly send: readonly Hex[];
  readonly bytes: number;
  /** And a command of Phala's form to this one. */
  readonly command?: Hex;
}

run(async () => {
  const settings = config() as SenderConfig;
  const ledger = new Ledger<SenderEntry>(ledgerOf(settings));
  const earlier = ledger.entries();
  const sent = earlier.filter(({ event }) => event === 'meant').length;
  let commanded = earlier.filter(({ event }) => event === 'command-meant').length;
  const noteFailure = (sendId: bigint, code: string): void => {
    ledger.add({ event: 'command-failed', sendId: String(sendId), code });
  };
  ledger.add({ event: 'started' });
  const { chain, vault, store, watch } = await openParts(settings);
  const account = accountFromSuri(settings.suri);
  const onSetback = ({ code, message: reason }: RelayError): void => {
    tell({ event: 'setback', code, reason });
  };
  const outbox = createOutbox({ chain, vault, store, directory: watch.state, account, onSetback });
  await outbox.start();
  for await (const { suite, sendId, status } of outbox.entries())
    if (suite === 'phala' && status.state === 'failed') noteFailure(sendId, status.error.code);
  let next = sent;
  const command = async (to: Hex): Promise<void> => {
    const recipientKey = watch.state.get(to)?.current.ecdhKey;
    if (recipientKey === undefined) return;
    const text = `${settings.name} command ${commanded++}`;
    ledger.add({ event: 'command-meant', to, text });
    // It waits for nothing and asks no node: whatever it throws is a failure of the run.
    const message = { suite: 'phala', topic: commandTopic(to), recipientKey, as: settings.as } as const;
    const receipt = await outbox.send({ ...message, content: new TextEncoder().encode(text) });
    ledger.add({ event: 'command-queued', text, sendId: String(receipt.sendId) });
    receipt.status$.subscribe((status) => {
      if (status.state === 'failed') noteFailure(receipt.sendId, status.error.code);
    });
  };
  const follow = (to: Hex, { status$, nonce }: Receipt): void => {
    status$.subscribe((status) => {
      if (status.state === 'failed') ledger.add({ event: 'failed', to, nonce: String(nonce), code: status.error.code });
    });
  };
  tell({ event: 'ready' });
  await obey(async (told) => {
    const { send, bytes, command: to } = told as SenderCommand;
    if (to !== undefined) await command(to);
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
