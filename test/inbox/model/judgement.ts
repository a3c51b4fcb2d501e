import { isDeepStrictEqual } from 'node:util';
import { blake2b } from '@noble/hashes/blake2.js';
import type { BlockNumber, MessageSender } from '../../../src/chain/index.ts';
import { equalBytes, toHex, type Hex } from '../../../src/codec/index.ts';
import type { TransactionalStore } from '../../../src/store/index.ts';
import type { Span } from '../../soak/gaps.ts';
import type { RecipientEntry } from '../../soak/ledger.ts';
import { nameOf } from '../../soak/postings.ts';
import type { PostedMessage } from '../../soak/truth.ts';
import { judge } from '../../soak/verdict.ts';
import { deadLettersOf } from '../../support/inbox-probe.ts';
import type { SimulatedChain } from '../../support/simulation/simulated-chain.ts';
import { nonceIn, senderIn } from './headers.ts';
import type { LetterBox } from './letter-box.ts';
import type { Senders } from './senders.ts';

/** What an inbox leaves when it has come to its end. */
export interface Evidence {
  readonly chain: SimulatedChain;
  readonly disk: TransactionalStore;
  readonly finality: 'finalized' | 'best';
  readonly recipient: Hex;
  readonly senders: Senders;
  /** Of its consumer. */
  readonly ledger: readonly RecipientEntry[];
  /** Texts of what also came off chain. */
  readonly relayed: ReadonlySet<string>;
  readonly letterBox: LetterBox;
  /** What blocks up to this one brought must have come, and nothing of later ones for good. */
  readonly through: BlockNumber;
}

/** What was broken of what is promised of messages and of dead letters. */
export async function judgeInbox(evidence: Evidence): Promise<string[]> {
  const { chain, senders, recipient: id, finality, ledger: entries, relayed, letterBox, through } = evidence;
  const posted = postedTo(id, chain, through);
  const { broken } = judge({
    senders: senders.records(posted, (envelope) => letterBox.wasDiscarded(envelope)),
    recipients: [{ id, finality, entries }],
    posted,
    // How often a message stands on the chain is not the inbox's doing.
    uncounted: new Set(posted.map(nameOf)),
    relayed: new Set([...relayed, ...believed(evidence)]),
    unordered: new Set([...takenBack(entries), ...touched(evidence)]),
    mayMiss: new Map([[id, forgotten(chain, through)]]),
  });
  return [...broken, ...(await brokenByLetters(evidence, posted))];
}

function postedTo(to: Hex, chain: SimulatedChain, through: BlockNumber): PostedMessage[] {
  const posted: PostedMessage[] = [];
  for (let block = 1; block <= through; block++)
    for (const { sender, payload } of chain.at(block)?.messages ?? [])
      posted.push({ block, sender: nameOfSender(sender), to, payload, nonce: nonceIn(payload) });
  return posted;
}

/** A reorg may bring these back in another order than the one in which they were handed out. */
function takenBack(entries: readonly RecipientEntry[]): ReadonlySet<string> {
  const ids = new Set(entries.flatMap((entry) => (entry.event === 'retracted' ? [entry.id] : [])));
  return new Set(entries.flatMap((entry) => (entry.event === 'delivered' && ids.has(entry.id) ? [entry.text] : [])));
}

/** What was tried again by hand comes when it is tried. */
function touched({ senders, letterBox }: Evidence): string[] {
  return senders.sealed.filter(({ envelope }) => letterBox.wasTouched(envelope)).map(({ text }) => text);
}

/** What one node has made up is delivered for good, whether or not it comes into a block. */
function believed({ chain, senders }: Evidence): string[] {
  const payloads = chain.messagesMadeUp().map(({ payload }) => payload);
  const isMadeUp = (envelope: Uint8Array): boolean => payloads.some((payload) => equalBytes(payload, envelope));
  return senders.sealed.filter(({ envelope }) => isMadeUp(envelope)).map(({ text }) => text);
}

/** Blocks of which the node has no state. */
function forgotten(chain: SimulatedChain, through: BlockNumber): Span[] {
  const spans: Span[] = [];
  for (let number = 1; number <= through; number++) {
    const block = chain.at(number);
    if (block !== undefined && !chain.hasState(block)) spans.push({ first: number, last: number });
  }
  return spans;
}

/** What can't be delivered is a dead letter, filed once for each time that it was posted. */
async function brokenByLetters(
  { chain, disk, ledger, letterBox, through }: Evidence,
  posted: readonly PostedMessage[],
): Promise<string[]> {
  const isMissing = (number: number): boolean =>
    ledger.some((entry) => entry.event === 'gap' && entry.first <= number && number <= entry.last);
  // Of what is missing now some may have been filed while it was early.
  const dead = posted.filter(({ sender, payload, block }) => sender !== senderIn(payload) && !isMissing(block));
  const filed: string[] = [];
  for (const { block, envelope } of await deadLettersOf(disk)) {
    // What was filed of a block that a node made up stays; of later ones nothing is final.
    const isOther =
      block !== undefined && (block.number > through || isMissing(block.number) || chain.wasMadeUp(block.hash));
    if (!isOther) filed.push(placeOf(block?.number, envelope));
  }
  // What was removed of a block that a reorg took is filed once more where it comes again.
  for (const { block, sender, envelope } of letterBox.discarded) {
    const isThere = block !== undefined && !isMissing(block.number) && chain.at(block.number)?.head.hash === block.hash;
    if (isThere && sender !== undefined && nameOfSender(sender) !== senderIn(envelope))
      filed.push(placeOf(block.number, envelope));
  }
  const meant = dead.map(({ block, payload }) => placeOf(block, payload));
  if (isDeepStrictEqual(filed.sort(), meant.sort())) return [];
  // What is read again since it came with made-up blocks has no nonce by which it would be known.
  const isReadAgain = chain.messagesMadeUp().length > 0;
  if (isReadAgain && holdsAll(filed, meant) && filed.every((letter) => meant.includes(letter))) return [];
  return [`dead letters of ${filed.join(', ')} where blocks have ${meant.join(', ')}`];
}

/** As often as there, or more often. */
function holdsAll(all: readonly string[], wanted: readonly string[]): boolean {
  const left = [...all];
  return wanted.every((each) => left.includes(each) && left.splice(left.indexOf(each), 1).length > 0);
}

function placeOf(block: number | undefined, envelope: Uint8Array): string {
  return `block ${block ?? 'none'} ${toHex(blake2b(envelope, { dkLen: 4 }))}`;
}

function nameOfSender(sender: MessageSender): string {
  return sender.kind === 'other' ? `other ${sender.name}` : `${sender.kind} ${sender.id}`;
}
