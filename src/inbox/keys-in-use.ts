import { toHex, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { isRelayError, type ErrorCode } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { InboxStore } from './inbox-store.ts';
import { PhalaStore } from './phala/phala-store.ts';

const itemsAtOnce = 64;
const lettersAtOnce = 16;

/** Letters that the key in question was tried on, or that nobody's key would make good: anybody could keep keys by them. */
const lost = new Set<ErrorCode>([
  ...(['open-failed', 'sender-not-proven', 'not-for-us', 'from-self'] as const),
  ...(['bad-public-key', 'bad-shared-secret', 'truncated', 'trailing-bytes', 'non-canonical'] as const),
]);

/**
 * EcdhKeys, 32 bytes each, to which something is sealed that is still to be opened: messages that are not acknowledged, and dead
 * letters that may open on another try. undefined: commands of contracts wait too, which don't say to which key they are.
 */
export async function keysInUse(store: TransactionalStore, files: InboxStore): Promise<Uint8Array[] | undefined> {
  if (await new PhalaStore(store).hasSealed()) return undefined;
  const keys = new Map<Hex, Uint8Array>();
  const note = (key: Uint8Array | undefined): void => {
    if (key !== undefined) keys.set(toHex(key), key.slice());
  };
  for (let from = 0n; ;) {
    const page = await files.itemsFrom(from, itemsAtOnce);
    for (const [sequence, item] of page) {
      from = sequence + 1n;
      if (item.kind === 'message' && !item.isAcknowledged) note(recipientKeyOf(item.envelope));
    }
    if (page.length === 0) break;
  }
  for (let from = 0n; ;) {
    const page = await files.lettersFrom(from, lettersAtOnce);
    for (const [sequence, { envelope, code }] of page) {
      from = sequence + 1n;
      if (!lost.has(code)) note(recipientKeyOf(envelope));
    }
    if (page.length === 0) break;
  }
  return [...keys.values()];
}

/** undefined of what is no envelope. */
function recipientKeyOf(envelope: Uint8Array): Uint8Array | undefined {
  try {
    return decodeV1(envelope).header.recipientKey;
  } catch (error) {
    if (isRelayError(error)) return undefined;
    throw error;
  }
}
