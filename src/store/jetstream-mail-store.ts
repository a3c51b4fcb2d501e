import type { JetStreamMailStoreOptions } from './jetstream/options.ts';
import type { MailStore } from './mail-store.ts';

/**
 * Mailboxes in NATS JetStream: several processes may have the same store open, and each recipient may be served by any
 * of them. Throws nats-failed, bad-value.
 */
export async function openJetStreamMailStore(options: JetStreamMailStoreOptions): Promise<MailStore> {
  // The client of NATS takes a tenth of a second to load: who does not use it need not wait.
  const { openStore } = await import('./jetstream/jetstream-store.ts');
  return openStore(options);
}
