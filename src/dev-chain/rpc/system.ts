import { concatBytes } from '../../codec/bytes.ts';
import type { Hex } from '../../codec/hex.ts';
import type { DevBlock } from '../block/block.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import type { DevNode } from '../node.ts';
import type { Method, Methods } from './method.ts';
import { stateOf, type Params } from './params.ts';
import { rpcErrors } from './rpc-error.ts';
import { storageKey } from './storage-entries.ts';

/** A fixed, well-formed libp2p id: there is no network behind it. */
const peerId = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';

/** The next nonce of an account, counting what waits in the pool. CheckNonce's tag is `(account, nonce)`. */
const accountNextIndex: Method = async (node, params) => {
  const account = await accountOf(params);
  let nonce = await storedNonce(account, params.block(1, node), node);
  const provided = new Set(node.pool.ready().flatMap(({ provides }) => provides));
  while (provided.has(nonceTag(account, nonce))) nonce += 1;
  return nonce;
};

/** Read from System.Account, where its place is fixed: much sooner there than AccountNonceApi answers. */
async function storedNonce(account: Uint8Array, block: DevBlock, node: DevNode): Promise<number> {
  const entry = block.runtime.layout.query['system']?.['account'];
  if (entry !== undefined) {
    const value = stateOf(block).get(storageKey(entry, [account]));
    return value === undefined ? 0 : Buffer.from(hexToBytes(value)).readUInt32LE();
  }
  const { result } = await node.runtimes.call('AccountNonceApi_account_nonce', [bytesToHex(account)], stateOf(block));
  return Buffer.from(hexToBytes(result)).readUInt32LE();
}

function nonceTag(account: Uint8Array, nonce: number): Hex {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(nonce);
  return bytesToHex(concatBytes(account, bytes));
}

/** SS58 of any prefix, or hex. */
async function accountOf(params: Params): Promise<Uint8Array> {
  const { decodeAddress } = await import('@polkadot/util-crypto');
  try {
    return decodeAddress(params.text(0, 'the account'));
  } catch {
    throw rpcErrors.invalidParams('the account must be an SS58 address');
  }
}

const dryRun: Method = (node, params) => node.dryRun(params.hex(0, 'the extrinsic'), params.block(1, node));

const systemMethods: Methods = {
  system_name: () => 'khala-relay dev chain',
  system_version: () => '1.0.0-dev',
  system_chain: (node) => node.spec.name,
  system_chainType: (node) => node.spec.chainType,
  system_properties: (node) => node.spec.properties,
  system_health: () => ({ peers: 0, isSyncing: false, shouldHavePeers: false }),
  system_peers: () => [],
  system_nodeRoles: () => ['Authority'],
  system_localPeerId: () => peerId,
  system_localListenAddresses: () => [],
  system_syncState: (node) => {
    const current = node.blocks.head.number;
    return { startingBlock: 0, currentBlock: current, highestBlock: current };
  },
  system_accountNextIndex: accountNextIndex,
  account_nextIndex: accountNextIndex,
  system_dryRun: dryRun,
  system_dryRunAt: dryRun,
};

export { systemMethods };
