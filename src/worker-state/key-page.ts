import { compareBytes, concatBytes, encodeEcdhRecord, equalBytes, fromHex, isZero, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { EpochKey } from './worker-state.ts';

// For each worker, in the order of their ids: id (32 bytes), how many keys (u8), and each of them: epoch (u32), key (32), the
// signature of the record that proved it (64), zeros where it was proven without one: no signature of sr25519 is that.
const idLength = 32;
const keysAt = idLength + 1;
const epochLength = 4;
const keyLength = 32;
const signatureLength = 64;
const entryLength = epochLength + keyLength + signatureLength;
const none: readonly ProvenKey[] = [];

/** A key that a worker proved to be its own. */
export interface ProvenKey extends EpochKey {
  /** Of the ECDH record that was verified; undefined where the key was proven elsewhere than on chain. 64 bytes. */
  readonly signature?: Uint8Array;
}

/** Proven keys of workers whose ids begin alike: kept and stored as these bytes. */
export type KeyPage = Uint8Array;

export const emptyKeyPage: KeyPage = new Uint8Array(0);

/** Throws truncated for what is no page; every other call takes it for granted that it is one. */
export function checkKeyPage(page: Uint8Array): void {
  let at = 0;
  while (at < page.length) at = nextOf(page, at);
  const details = { what: 'The page of epochs', needed: at, offset: 0, left: page.length };
  if (at > page.length) throw new RelayError('truncated', { details });
}

/** Of one worker, copied: what is looked at for long does not keep the page. */
export function keysIn(page: KeyPage, id: Uint8Array): readonly ProvenKey[] {
  const at = placeOf(page, id);
  return startsWith(page, at, id) ? decodeKeys(page, at) : none;
}

/** With these keys in place of those that the workers had. The page itself where nothing is different. */
export function withKeys(page: KeyPage, changes: Iterable<readonly [id: Hex, keys: readonly ProvenKey[]]>): KeyPage {
  const sorted = Array.from(changes, ([id, keys]) => ({ id: fromHex(id), keys }));
  sorted.sort((a, b) => compareBytes(a.id, b.id));
  const parts: Uint8Array[] = [];
  let isSame = true;
  let from = 0;
  for (const { id, keys } of sorted) {
    const at = placeOf(page, id, from);
    const end = startsWith(page, at, id) ? nextOf(page, at) : at;
    const encoded = encodeKeys(id, keys);
    isSame &&= equalBytes(page.subarray(at, end), encoded);
    parts.push(page.subarray(from, at), encoded);
    from = end;
  }
  return isSame ? page : concatBytes(...parts, page.subarray(from));
}

/** Whether a record is the one that was verified when the key was proven: there is one text for what a record says. */
export function isRecordOf(text: string, { epoch, ecdhKey, signature }: ProvenKey): boolean {
  if (signature === undefined || !text.includes(`;epoch=${epoch};`)) return false;
  return text === encodeEcdhRecord({ ecdhPublic: ecdhKey, epoch, signature });
}

export function sameProven(some: readonly ProvenKey[], others: readonly ProvenKey[]): boolean {
  return some === others || (some.length === others.length && some.every((key, i) => sameKey(key, others[i])));
}

function sameKey({ epoch, ecdhKey, signature }: ProvenKey, other: ProvenKey | undefined): boolean {
  if (epoch !== other?.epoch || !equalBytes(ecdhKey, other.ecdhKey)) return false;
  if (signature === undefined || other.signature === undefined) return signature === other.signature;
  return equalBytes(signature, other.signature);
}

/** Where a worker is, or belongs. Most are told apart by their second byte: the first one is that of the page. */
function placeOf(page: KeyPage, id: Uint8Array, from = 0): number {
  const beginning = u16At(id, 0);
  let at = from;
  while (at < page.length && u16At(page, at) < beginning) at = nextOf(page, at);
  while (at < page.length && compareAt(page, at, id) < 0) at = nextOf(page, at);
  return at;
}

/** Big-endian. */
function u16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function nextOf(page: KeyPage, at: number): number {
  return at + keysAt + entryLength * (page[at + idLength] ?? 0);
}

function startsWith(page: KeyPage, at: number, id: Uint8Array): boolean {
  return at < page.length && compareAt(page, at, id) === 0;
}

/** As compareBytes, of the id at a place. */
function compareAt(page: KeyPage, at: number, id: Uint8Array): number {
  for (let i = 0; i < idLength; i++) {
    const difference = (page[at + i] ?? 0) - (id[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function decodeKeys(page: KeyPage, place: number): ProvenKey[] {
  const bytes = page.slice(place + keysAt, nextOf(page, place));
  const view = new DataView(bytes.buffer);
  const keys: ProvenKey[] = [];
  for (let at = 0; at < bytes.length; at += entryLength) {
    const keyAt = at + epochLength;
    const signatureAt = keyAt + keyLength;
    const key = { epoch: view.getUint32(at, true), ecdhKey: bytes.subarray(keyAt, signatureAt), proven: true } as const;
    const signature = bytes.subarray(signatureAt, at + entryLength);
    keys.push(isZero(signature) ? key : { ...key, signature });
  }
  return keys;
}

function encodeKeys(id: Uint8Array, keys: readonly ProvenKey[]): Uint8Array {
  const bytes = new Uint8Array(keysAt + entryLength * keys.length);
  const view = new DataView(bytes.buffer);
  bytes.set(id);
  bytes[idLength] = keys.length;
  keys.forEach(({ epoch, ecdhKey, signature }, i) => {
    const at = keysAt + entryLength * i;
    view.setUint32(at, epoch, true);
    bytes.set(ecdhKey, at + epochLength);
    if (signature !== undefined) bytes.set(signature, at + epochLength + keyLength);
  });
  return bytes;
}
