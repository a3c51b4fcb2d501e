import { toHex, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { isOfUnreadVault, isRelayError, type ErrorCode } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { InboxStore } from './inbox-store.ts';
import { PhalaStore } from './phala/phala-store.ts';

/** What a later version, a vault that got a key back, or a clock that is right may make good. Anybody can bring these about too. */
const mendable = new Set<ErrorCode>(['unknown-variant', 'unknown-epoch', 'clock-skew']);

/** EcdhKeys, 32 bytes each, to which something is sealed that waits. */
export interface KeysInUse {
  /** Messages that opened, and are not acknowledged. */
  readonly needed: readonly Uint8Array[];
  /** Dead letters that may open on another try. undefined: commands of contracts wait too, which don't say to which key they are. */
  readonly wanted: readonly Uint8Array[] | undefined;
}

export async function keysInUse(store: TransactionalStore, files: InboxStore): Promise<KeysInUse> {
  const [needed, wanted] = [new KeySet(), new KeySet()];
  for await (const [, item] of files.items())
    if (item.kind === 'message' && !item.isAcknowledged) needed.addOf(item.envelope);
  for await (const [, { envelope, code }] of files.letters.all())
    if (mendable.has(code) || isOfUnreadVault(code)) wanted.addOf(envelope);
  const isAnyUnnamed = await new PhalaStore(store).hasSealed();
  return { needed: needed.keys, wanted: isAnyUnnamed ? undefined : wanted.keys };
}

class KeySet {
  readonly #keys = new Map<Hex, Uint8Array>();

  get keys(): Uint8Array[] {
    return [...this.#keys.values()];
  }

  addOf(envelope: Uint8Array): void {
    const key = recipientKeyOf(envelope);
    if (key !== undefined) this.#keys.set(toHex(key), key.slice());
  }
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
