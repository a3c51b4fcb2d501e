// Records test/vectors/proofs.json from a real node: KHALA_RELAY_NODE=path/to/polkadot-omni-node npm run record:proofs.
// States of a chain, one after the other, and what the node proves of them; the keys are those of the dev workers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { connectChain, type Call } from '../src/chain/index.ts';
import { storagePrefix } from '../src/chain/storage/storage-key.ts';
import { emptyMap, type KnownMap } from '../src/chain/trie/known-map.ts';
import { findSubtree } from '../src/chain/trie/look-up.ts';
import { loadHash256, ProofNodes } from '../src/chain/trie/proof-nodes.ts';
import { findChanges } from '../src/chain/trie/walk-map.ts';
import { fromHex, type Hex } from '../src/codec/index.ts';
import { devWorker } from '../src/dev-chain/index.ts';
import { alice, openWallet, recordOf, signedEndpoints, testKey, testWorker } from '../test/chain/support.ts';
import { endpointsKey, twoxKey, writeSpecWithWorkers } from '../test/support/genesis-spec.ts';
import { startRealNode } from '../test/support/real-node.ts';
import {
  mapNames,
  type MapName,
  type ProofVectors,
  type RecordedChange,
  type RecordedState,
  type TamperedProof,
} from '../test/vectors/proofs.ts';

const workersInGenesis = 24;
const target = new URL('../test/vectors/proofs.json', import.meta.url);
const hash = await loadHash256();
/** Places of nodes in the order in which they are first seen. */
const places = new Map<Hex, number>();
const prefixes: Record<MapName, Hex> = {
  workers: storagePrefix('PhalaRegistry', 'Workers'),
  endpoints: storagePrefix('PhalaRegistry', 'Endpoints'),
};

const folder = await mkdtemp(join(tmpdir(), 'khala-proofs-'));
try {
  await record();
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit();

async function record(): Promise<void> {
  const chainSpec = join(folder, 'spec.json');
  const dev = await Promise.all(Array.from({ length: workersInGenesis }, (_, index) => devWorker(index)));
  await writeSpecWithWorkers(chainSpec, dev);
  await using node = await startRealNode({ chainSpec, blockTimeMs: 300, statePruning: 'archive' });
  await using chain = await connectChain({ endpoints: [node.ws] });
  await using wallet = await openWallet(node.ws);
  const { tx } = wallet.api;
  const call = await openRaw(node.ws);
  const worker = testWorker(1);
  const submit = async (calls: readonly Call[]): Promise<Hex> => (await chain.submit(calls, alice)).blockHash;
  const publish = async (endpoints: readonly string[]): Promise<Hex> =>
    submit([{ kind: 'update-worker-endpoint', ...(await signedEndpoints(chain, worker, endpoints)) }]);
  const asRoot = (inner: ReturnType<(typeof tx)[string][string]>): Promise<Hex> =>
    wallet.post(tx.sudo.sudo(inner), wallet.alice);

  const genesis = (await call('chain_getBlockHash', [0])) as Hex;
  const moments: [string, Hex][] = [
    [`${workersInGenesis} workers in the genesis`, genesis],
    [
      'one worker registered',
      await submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }]),
    ],
    ['its endpoints published', await publish(['http://one.example.net'])],
    [
      'its endpoints replaced, with an ECDH record',
      await publish(['http://two.example.net', recordOf(worker, genesis, 1, testKey(5))]),
    ],
    [
      'nothing changed in the maps',
      await submit([{ kind: 'push-message', destination: Uint8Array.of(97), payload: Uint8Array.of(1) }]),
    ],
    [
      'three workers removed, and the endpoints of two',
      await asRoot(
        tx.system.killStorage([
          ...dev.slice(3, 6).map(({ identity }) => `${prefixes.workers}${twoxKey(identity)}`),
          ...dev.slice(5, 7).map(({ identity }) => endpointsKey(identity)),
        ]),
      ),
    ],
    ['no endpoints left at all', await asRoot(tx.system.killPrefix(prefixes.endpoints, 100))],
  ];

  const states: RecordedState[] = [];
  for (const [what, block] of moments) {
    const header = await call('chain_getHeader', [block]);
    const maps = {} as Record<MapName, RecordedState['maps'][MapName]>;
    for (const name of mapNames) {
      const keys = (await call('state_getKeysPaged', [prefixes[name], 1_000, null, block])) as Hex[];
      const [set] = (keys.length === 0 ? [] : await call('state_queryStorageAt', [keys, block])) as {
        changes: [Hex, Hex][];
      }[];
      maps[name] = { entries: set?.changes ?? [], proof: placed(await proofOf([prefixes[name], ...keys], block)) };
    }
    states.push({ what, hash: block, header: header as RecordedState['header'], maps });
  }
  const changes: RecordedChange[] = [];
  for (const map of mapNames)
    for (const [from, to] of pairs(states.length))
      changes.push({ map, from, to, proof: await changeProof(map, stateAt(states, from), stateAt(states, to)) });
  const tampered = changes.flatMap((change) => tamperedWith(change, states));
  const version = String(await call('system_version', []));
  const nodes = [...places.keys()];
  const vectors: ProofVectors = { node: `polkadot-omni-node ${version}`, nodes, prefixes, states, changes, tampered };
  await writeFile(target, `${JSON.stringify(vectors)}\n`);
  console.error(`${states.length} states and ${changes.length} changes and ${tampered.length} lies written`);

  async function proofOf(keys: readonly Hex[], block: Hex): Promise<Hex[]> {
    return ((await call('state_getReadProof', [keys, block])) as { proof: Hex[] }).proof;
  }

  /** The proof that tells what changed, and no more: as a client asks for it step by step. */
  async function changeProof(map: MapName, before: RecordedState, after: RecordedState): Promise<number[]> {
    const prefix = prefixes[map].slice(2);
    const known = walk(before, before.maps[map].proof.map(nodeAt), emptyMap);
    if (!('done' in known)) throw new Error('the proof of a whole map leaves something out');
    const keys = new Set<Hex>([prefixes[map]]);
    for (;;) {
      const proof = await proofOf([...keys], after.hash);
      const result = walk(after, proof, known.done.map);
      if ('done' in result) return placed(proof);
      for (const key of result.missing) keys.add(`0x${key}${key.length % 2 === 0 ? '' : '0'}`);
    }
    function walk({ header }: RecordedState, proof: readonly Hex[], from: KnownMap) {
      const nodes = new ProofNodes(hash);
      nodes.add(proof);
      const subtree = findSubtree(nodes, fromHex(header.stateRoot), prefix);
      return subtree === undefined ? { missing: [prefix] } : findChanges(nodes, prefix, subtree.is, from);
    }
  }
}

function placed(proof: readonly Hex[]): number[] {
  return proof.map((node) => {
    const place = places.get(node) ?? places.size;
    places.set(node, place);
    return place;
  });
}

/** Each state and the next, that back, and from the first to each. */
function* pairs(count: number): Generator<readonly [from: number, to: number]> {
  for (let to = 1; to < count; to++)
    yield* [
      [to - 1, to],
      [to, to - 1],
      [0, to],
    ] as const;
}

function stateAt(states: readonly RecordedState[], at: number): RecordedState {
  const state = states[at];
  if (state === undefined) throw new Error(`no state has place ${at}`);
  return state;
}

function nodeAt(place: number): Hex {
  const node = [...places.keys()][place];
  if (node === undefined) throw new Error(`no node has place ${place}`);
  return node;
}

/** What a node that lies could answer instead. */
function tamperedWith(
  { map, from, to, proof: places }: RecordedChange,
  states: readonly RecordedState[],
): TamperedProof[] {
  const proof = places.map(nodeAt);
  const lie = (what: string, altered: readonly Hex[]): TamperedProof => ({
    what,
    map,
    from,
    to,
    proof: placed(altered),
  });
  const replaced = (old: Hex, now: Hex): Hex[] => proof.map((item) => (item === old ? now : item));
  const flipped = (item: Hex): Hex => `${item.slice(0, -2)}${item.endsWith('00') ? '01' : '00'}` as Hex;
  const entriesAt = (at: number): Map<Hex, Hex> => new Map(stateAt(states, at).maps[map].entries);
  const [before, after] = [entriesAt(from), entriesAt(to)];
  const lies = [lie('all of it is of the state before', stateAt(states, from).maps[map].proof.map(nodeAt))];
  if (stateAt(states, from).maps[map].proof[0] === stateAt(states, to).maps[map].proof[0]) lies.pop();
  const first = proof[0];
  if (first !== undefined) lies.push(lie('a byte of the first node is another', replaced(first, flipped(first))));
  lies.push(lie('the first node is left out', proof.slice(1)));
  for (const [key, value] of after) {
    if (before.get(key) === value || !proof.includes(value)) continue;
    lies.push(lie('a byte of a changed value is another', replaced(value, flipped(value))));
    lies.push(
      lie(
        'a changed value is left out',
        proof.filter((item) => item !== value),
      ),
    );
    const old = before.get(key);
    if (old !== undefined) lies.push(lie('a changed value is the old one', replaced(value, old)));
    break;
  }
  return lies;
}

async function openRaw(url: string): Promise<(method: string, params: readonly unknown[]) => Promise<unknown>> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 26 });
  await new Promise((resolve) => socket.once('open', resolve));
  const waiting = new Map<number, (message: { result?: unknown; error?: unknown }) => void>();
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { id: number; result?: unknown; error?: unknown };
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  let next = 1;
  return async (method, params) => {
    const id = next++;
    socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    const { result, error } = await new Promise<{ result?: unknown; error?: unknown }>((resolve) =>
      waiting.set(id, resolve),
    );
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  };
}
