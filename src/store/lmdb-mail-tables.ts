import { open, type Database, type RootDatabase } from 'lmdb';
import { toHex, type Hex } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { DiskRoom, refuseNewOnFullDisk } from './disk-room.ts';
import { makeFolder } from './folder.ts';
import { refuseUnusableData } from './lmdb-environment.ts';
import { copyOf, decodeMailHead, layoutVersion, u64, type MailHead } from './lmdb-mail-layout.ts';
import { noChange } from './lmdb-pages.ts';

export type Binary = Database<Buffer, Buffer>;

/** The databases of lmdb-mail-layout.ts. */
export interface MailTables {
  readonly mail: Binary;
  /** What counters know of the same, for who has no use for the rest of it. */
  readonly mailHeads: Database<MailHead, Buffer>;
  readonly boxes: Binary;
  readonly shares: Binary;
  readonly openers: Binary;
  readonly opened: Binary;
  readonly ids: Binary;
  readonly byAge: Binary;
  readonly meta: Binary;
}

export interface OpenMailTables {
  readonly env: RootDatabase<Buffer, Buffer>;
  readonly tables: MailTables;
  readonly generation: Hex;
  /** Above all cursors that were given when the folder was open before, even to what did not get to the disk. */
  readonly leastCursor: bigint;
}

const generationKey = Buffer.from('generation');
const layoutKey = Buffer.from('layout');
const sessionKey = Buffer.from('session');
/** A session gives so many cursors at most, in one mailbox. */
const sessionCursors = 2n ** 40n;

/** Throws mail-store-failed for a folder of another layout or a full disk, store-failed for one of another program or cut short. */
export async function openMailTables(
  path: string,
  { noSync, random }: { readonly noSync: boolean; readonly random: (length: number) => Uint8Array },
): Promise<OpenMailTables> {
  await makeFolder(path);
  await refuseUnusableData(path);
  await refuseNewOnFullDisk(path);
  const binary = { keyEncoding: 'binary', encoding: 'binary' } as const;
  const env = open<Buffer, Buffer>({
    path,
    noSubdir: false,
    maxDbs: 8,
    // A commit is then one fdatasync, and its promise waits for it; GroupCommit has one in flight anyway.
    overlappingSync: false,
    noSync,
    // GroupCommit does that; here it would leave behind a promise that nobody holds and that a full disk rejects.
    eventTurnBatching: false,
    ...binary,
  });
  try {
    const db = (name: string): Binary => env.openDB<Buffer, Buffer>({ name, ...binary });
    const tables = {
      ...{
        mail: openMail<Buffer>(env, copyOf),
        mailHeads: openMail(env, decodeMailHead),
        boxes: db('boxes'),
        shares: db('shares'),
        openers: db('openers'),
      },
      ...{ opened: db('opened'), ids: db('ids'), byAge: db('byAge'), meta: db('meta') },
    };
    const room = new DiskRoom({
      ...{ path, root: env, named: [tables.meta] },
      failed: (error) => asRelayError(error, 'mail-store-failed', { action: 'open' }),
    });
    const begin = (): void => {
      room.take({ ...noChange, put: 2 }, 'less');
      if (tables.meta.get(generationKey) !== undefined) {
        generationOf(tables);
        tables.meta.putSync(sessionKey, u64(sessionOf(tables) + 1n));
        return;
      }
      tables.meta.putSync(generationKey, Buffer.from(random(16)));
      tables.meta.putSync(layoutKey, Buffer.of(layoutVersion));
    };
    await room.during((begun) => env.transaction(begun), begin);
    return { env, tables, generation: generationOf(tables), leastCursor: sessionOf(tables) * sessionCursors };
  } catch (error) {
    await env.close();
    throw error;
  }
}

/** `decode`: of memory that the next value overwrites. */
function openMail<V>(env: RootDatabase<Buffer, Buffer>, decode: (value: Buffer) => V): Database<V, Buffer> {
  const encoder = { encode: (value: V) => value, decode };
  // A constant: the types of lmdb-js do not know `encoder`, which its documentation has.
  const options = { name: 'mail', keyEncoding: 'binary', encoding: 'binary', encoder } as const;
  return env.openDB<V, Buffer>(options);
}

function generationOf({ meta }: MailTables): Hex {
  const failed = (reason: string) => new RelayError('mail-store-failed', { details: { action: 'open', reason } });
  const generation = meta.get(generationKey);
  if (generation === undefined) throw failed('its generation was not written');
  // The first layout did not say so.
  const version = meta.get(layoutKey)?.[0] ?? 1;
  if (version !== layoutVersion)
    throw failed(
      `the folder has layout ${version}, and this version of khala-relay reads ${layoutVersion}: let the version that made it deliver what is in it, then start with an empty folder`,
    );
  return toHex(generation);
}

/** How often the folder was opened before. */
function sessionOf({ meta }: MailTables): bigint {
  return meta.get(sessionKey)?.readBigUInt64BE() ?? 0n;
}
