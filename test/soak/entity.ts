import { createInterface } from 'node:readline';
import { join } from 'node:path';
import {
  connectChain,
  isRelayError,
  openLmdbStore,
  openVault,
  watchWorkerState,
  type Chain,
  type Hex,
  type TransactionalStore,
  type Vault,
  type WorkerStateWatch,
} from '../../src/index.ts';

export const passphrase = 'soak';

/** What a process of the run is told when it is started. */
export interface EntityConfig {
  readonly name: string;
  /** Of this entity alone: vault, store and ledger. */
  readonly folder: string;
  readonly endpoints: readonly string[];
  /** Who pays, and of a sender `as` account who sends. */
  readonly suri: string;
  /** The block before which nobody sent anything. */
  readonly from: number;
}

export interface SenderConfig extends EntityConfig {
  readonly as: 'worker' | 'account';
  /** Other software of this worker posts as well. */
  readonly isShared?: true;
}

export interface RecipientConfig extends EntityConfig {
  readonly finality: 'finalized' | 'best';
}

export interface Parts {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly store: TransactionalStore;
  readonly watch: WorkerStateWatch;
}

export const ledgerOf = ({ folder }: Pick<EntityConfig, 'folder'>): string => join(folder, 'ledger');
export const storeOf = ({ folder }: Pick<EntityConfig, 'folder'>): string => join(folder, 'store');
export const vaultOf = ({ folder }: Pick<EntityConfig, 'folder'>): string => join(folder, 'vault');

/** Of the commands to an entity: topics of contracts are Phala's, and their keys another pallet's. */
export function commandTopic(id: Hex): Uint8Array {
  return new TextEncoder().encode(`soak/commands/${id}`);
}

/** Tells the parent. */
export function tell(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** The configuration that the process was started with. */
export function config(): unknown {
  return JSON.parse(process.argv[2] ?? '') as unknown;
}

/** Opens what an entity needs, through the public library alone. */
export async function openParts(entity: EntityConfig): Promise<Parts> {
  const chain = await connectChain({ endpoints: entity.endpoints, timeoutMs: 60_000, silenceMs: 2_000 });
  const vault = await openVault({ path: vaultOf(entity), passphrase });
  const store = await openLmdbStore({ path: storeOf(entity) });
  const watch = watchWorkerState(chain, { store });
  await watch.ready;
  return { chain, vault, store, watch };
}

/** Runs `main`; a failure is told to the parent with its code, and ends the process. */
export function run(main: () => Promise<void>): void {
  const fail = (error: unknown): void => {
    tell({ event: 'failed', code: isRelayError(error) ? error.code : 'unknown', reason: String(error) });
    process.exit(1);
  };
  process.on('unhandledRejection', fail);
  main().catch(fail);
}

/** Obeys the parent, a line of JSON a command, one after the other; ends when it has closed its side. */
export async function obey(perform: (command: unknown) => Promise<void>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    await perform(JSON.parse(line) as unknown);
    tell({ event: 'done' });
  }
}
