import { hashHeader, type Header } from '../../src/chain/head/header.ts';
import { concatBytes, toHex, topicOf, Writer, type Hex } from '../../src/codec/index.ts';
import type { Vault } from '../../src/vault/index.ts';

/** One block in so many has messages … */
const every = 10;
/** … so many, the half of them ours. */
const messagesEach = 20;
const senders = 4;
const contentBytes = 256;

export interface MadeBlock {
  readonly header: Header;
  readonly hash: Hex;
  /** `OutboundMessages`. */
  readonly value: Hex | undefined;
}

/** Blocks 1 to `count` above a genesis block: every tenth has 20 messages, half of them to `recipient`. */
export async function makeBlocks(
  genesisHash: Hex,
  count: number,
  sender: Vault,
  recipient: { readonly identity: Hex; readonly ecdhKey: Uint8Array },
): Promise<MadeBlock[]> {
  const blocks: MadeBlock[] = [];
  let parentHash = genesisHash;
  for (let number = 1; number <= count; number++) {
    const header = { number, parentHash, stateRoot: rootOf(number), extrinsicsRoot: rootOf(-number), digest: [] };
    const value = number % every === 0 ? toHex(await messagesOf(genesisHash, number, sender, recipient)) : undefined;
    const hash = hashHeader(header);
    blocks.push({ header, hash, value });
    parentHash = hash;
  }
  return blocks;
}

async function messagesOf(
  genesisHash: Hex,
  block: number,
  sender: Vault,
  { identity, ecdhKey }: { readonly identity: Hex; readonly ecdhKey: Uint8Array },
): Promise<Uint8Array> {
  const writer = new Writer().compactLength(messagesEach);
  const stranger = topicOf(toHex(new Uint8Array(32).fill(9)));
  for (let i = 0; i < messagesEach; i++) {
    const account = toHex(new Uint8Array(32).fill(1 + (i % senders)));
    const payload = await sender.seal({
      genesisHash,
      to: identity,
      recipientKey: ecdhKey,
      account,
      nonce: (BigInt(Date.now()) << 20n) + BigInt(block * messagesEach + i),
      sentAt: BigInt(Date.now()),
      body: { kind: 'data', content: new Uint8Array(contentBytes).fill(i) },
    });
    writer
      .raw(concatBytes(Uint8Array.of(3), Buffer.from(account.slice(2), 'hex')))
      .bytes(i % 2 === 0 ? topicOf(identity) : stranger)
      .bytes(payload);
  }
  return writer.finish();
}

function rootOf(number: number): Hex {
  const root = new Uint8Array(32);
  new DataView(root.buffer).setInt32(0, number);
  return toHex(root);
}
