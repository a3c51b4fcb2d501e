import { Bytes, Struct, u64, u8, Variant, Vector, _void } from '@polkadot-api/substrate-bindings';
import { blake2AsHex, xxhashAsHex } from '@polkadot/util-crypto';
import { concatBytes, equalBytes, fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import type { Rpc } from './rpc.ts';

/** A message of a finalized block, as a decoder reads it that is not the project's own. */
export interface PostedMessage {
  readonly block: number;
  /** `worker 0x…` or `account 0x…`; else the name of the origin. */
  readonly sender: string;
  readonly to: Hex;
  readonly payload: Uint8Array;
  /** Of a V1 envelope. */
  readonly nonce: bigint | undefined;
}

/** Which EcdhKey of its recipient it is sealed to. undefined: it is no V1 envelope. */
export function recipientKeyOf({ payload }: Pick<PostedMessage, 'payload'>): Hex | undefined {
  return isV1(payload) ? toHex(start.dec(payload).recipientKey) : undefined;
}

/** A command of a finalized block. */
export interface PostedCommand {
  readonly block: number;
  readonly sender: string;
  readonly to: Hex;
  /** protocol.md §5. */
  readonly id: Hex;
}

const id = Bytes(32);
const messages = Vector(
  Struct({
    sender: Variant(
      {
        Pallet: Bytes(),
        Contract: id,
        Worker: id,
        AccountId: id,
        MultiLocation: Bytes(),
        Gatekeeper: _void,
        Cluster: id,
      },
      [0, 1, 2, 3, 4, 5, 6],
    ),
    destination: Bytes(),
    payload: Bytes(),
  }),
);
/** protocol.md §5, of a V1 envelope up to its nonce. */
const start = Struct({ variant: u8, fromKind: u8, from: id, to: id, senderKey: id, recipientKey: id, nonce: u64 });
const startLength = 1 + 1 + 4 * 32 + 8;
const key = `${xxhashAsHex('PhalaMq', 128)}${xxhashAsHex('OutboundMessages', 128).slice(2)}`;
/** A busy node must not forget faster than this reads. */
const blocksAtOnce = 16;
const prefix = new TextEncoder().encode('khala-relay/v1/');
const commandPrefix = 'soak/commands/';

/** Reads what finalized blocks carry for the topics of entities, in order, past any state that a node will drop. */
export class Truth {
  readonly #rpc: Rpc;
  #reading: Promise<number> | undefined;
  #genesis: Promise<Hex> | undefined;
  readonly posted: PostedMessage[] = [];
  readonly commands: PostedCommand[] = [];
  /** By number. */
  readonly hashes = new Map<number, Hex>();
  /** The last block read. */
  block: number;

  constructor(rpc: Rpc, from: number) {
    this.#rpc = rpc;
    this.block = from - 1;
  }

  /** Reads up to the finalized head, whose number it gives. */
  catchUp(): Promise<number> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  #genesisHash(): Promise<Hex> {
    return (this.#genesis ??= this.#rpc.ask<Hex>('chain_getBlockHash', 0));
  }

  async #read(): Promise<number> {
    const head = await this.#rpc.ask<Hex>('chain_getFinalizedHead');
    const { number } = await this.#rpc.ask<{ number: Hex }>('chain_getHeader', head);
    while (this.block < Number(number)) {
      const length = Math.min(blocksAtOnce, Number(number) - this.block);
      const numbers = Array.from({ length }, (_, i) => this.block + 1 + i);
      const hashes = await this.#rpc.ask<Hex[]>('chain_getBlockHash', numbers);
      numbers.forEach((each, i) => this.hashes.set(each, hashes[i] ?? '0x'));
      const read = (hash: Hex): Promise<Hex | null> => this.#rpc.ask<Hex | null>('state_getStorage', key, hash);
      for (const value of await Promise.all(hashes.map(read))) {
        this.block++;
        if (value === null) continue;
        const all = messages.dec(value);
        this.posted.push(...envelopesIn(this.block, all));
        this.commands.push(...commandsIn(this.block, all, await this.#genesisHash()));
      }
    }
    return this.block;
  }
}

type Messages = ReturnType<typeof messages.dec>;

function commandsIn(block: number, all: Messages, genesisHash: Hex): PostedCommand[] {
  return all.flatMap(({ sender, destination, payload }) => {
    const topic = new TextDecoder().decode(destination);
    if (!topic.startsWith(commandPrefix)) return [];
    const named = blake2AsHex(concatBytes(fromHex(genesisHash), payload), 256);
    return [{ block, sender: nameOf(sender), to: topic.slice(commandPrefix.length) as Hex, id: named }];
  });
}

function envelopesIn(block: number, all: Messages): PostedMessage[] {
  return all.flatMap(({ sender, destination, payload }) => {
    if (!equalBytes(destination.subarray(0, prefix.length), prefix)) return [];
    return [{ block, sender: nameOf(sender), ...addressOf(destination, payload), payload }];
  });
}

/** Of a message to an entity's topic. */
export function addressOf(destination: Uint8Array, payload: Uint8Array): Pick<PostedMessage, 'to' | 'nonce'> {
  const nonce = isV1(payload) ? start.dec(payload).nonce : undefined;
  return { to: toHex(destination.subarray(prefix.length)), nonce };
}

function isV1(payload: Uint8Array): boolean {
  return payload.length >= startLength && payload[0] === 1;
}

function nameOf({ type, value }: { readonly type: string; readonly value?: unknown }): string {
  if (type === 'Worker' || type === 'AccountId')
    return `${type === 'Worker' ? 'worker' : 'account'} ${toHex(value as Uint8Array)}`;
  return type;
}
