import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  accountFromSuri,
  createVault,
  registerEntity,
  type Account,
  type Chain,
  type Hex,
  type Vault,
} from '../../src/index.ts';
import { bundled } from '../support/bundle.ts';
import { cheapKdf } from '../support/entities.ts';
import { startProxy, type TcpProxy } from '../chain/tcp-proxy.ts';
import { passphrase, vaultOf, type EntityConfig, type RecipientConfig, type SenderConfig } from './entity.ts';
import type { NodeUnderTest } from './node-under-test.ts';
import { Player, type Told } from './player.ts';

/** Who takes part in a run. Several may use one account: they compete for its nonces. */
export interface Roles {
  readonly senders: readonly Pick<SenderConfig, 'name' | 'as' | 'suri' | 'isShared'>[];
  readonly recipients: readonly Pick<RecipientConfig, 'name' | 'finality' | 'suri'>[];
}

export interface Cast extends AsyncDisposable {
  readonly senders: readonly Player[];
  readonly recipients: readonly Player[];
  readonly proxies: ReadonlyMap<Player, TcpProxy>;
  /** Identities. */
  readonly ids: ReadonlyMap<Player, Hex>;
  /** As the chain names them: `worker 0x…` or `account 0x…`. */
  readonly senderNames: ReadonlyMap<Player, string>;
  readonly accountSenders: readonly Account[];
  /** Accounts that are senders, of which the run or other senders post as well. */
  readonly sharedAccounts: ReadonlySet<Player>;
  /** Of workers that are shared: what their other software signs with. */
  readonly workerSenders: readonly Vault[];
}

/** Makes a vault for each, registers the recipients, and starts a process for each behind a proxy of its own. */
export async function assemble(
  roles: Roles,
  {
    node,
    chain,
    folder,
    onTold,
  }: { node: NodeUnderTest; chain: Chain; folder: string; onTold: (player: Player, told: Told) => void },
): Promise<Cast> {
  const proxies = new Map<Player, TcpProxy>();
  const ids = new Map<Player, Hex>();
  const senderNames = new Map<Player, string>();
  const workerSenders: Vault[] = [];
  const root = accountFromSuri('//Alice');
  const { number: from } = await chain.finalizedHead();

  const enter = async (role: Omit<EntityConfig, 'folder' | 'endpoints' | 'from'>, script: string): Promise<Player> => {
    const config = { ...role, folder: join(folder, role.name) };
    await mkdir(config.folder);
    const vault = await createVault({ path: vaultOf(config), passphrase, cost: cheapKdf });
    if (script === recipientScript) await registerEntity({ chain, vault, account: root });
    if (isShared(role)) workerSenders.push(vault);
    else await vault.close();
    const proxy = await startProxy(node.ws);
    const player: Player = new Player(script, { ...config, endpoints: [proxy.ws], from }, (told) => {
      onTold(player, told);
    });
    proxies.set(player, proxy);
    ids.set(player, vault.identity);
    return player;
  };

  const scriptOf = (name: string): Promise<string> => bundled(new URL(`${name}-process.ts`, import.meta.url));
  const [senderScript, recipientScript] = await Promise.all([scriptOf('sender'), scriptOf('recipient')]);
  const recipients = await Promise.all(roles.recipients.map((role) => enter(role, recipientScript)));
  const senders: Player[] = [];
  const sharedAccounts = new Set<Player>();
  const accounts = roles.senders.filter(({ as }) => as === 'account');
  for (const role of roles.senders) {
    const player = await enter(role, senderScript);
    const account = accountFromSuri(role.suri).id;
    senderNames.set(player, role.as === 'account' ? `account ${account}` : `worker ${ids.get(player) ?? ''}`);
    // Messages of the first account are posted again as it.
    const isUsedByOthers =
      role === accounts[0] || roles.senders.some((other) => other !== role && other.suri === role.suri);
    if (role.as === 'account' && isUsedByOthers) sharedAccounts.add(player);
    senders.push(player);
  }
  const players = [...senders, ...recipients];
  for (const player of players) player.start();
  return {
    senders,
    recipients,
    proxies,
    ids,
    senderNames,
    workerSenders,
    sharedAccounts,
    accountSenders: accounts.map(({ suri }) => accountFromSuri(suri)),
    async [Symbol.asyncDispose]() {
      await Promise.all(players.map((player) => player.kill()));
      await Promise.all(workerSenders.map((vault) => vault.close()));
      await Promise.all([...proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}

function isShared(role: object): boolean {
  return 'isShared' in role && role.isShared === true;
}
