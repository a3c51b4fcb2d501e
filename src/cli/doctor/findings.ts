import type { NodeCapabilities, PalletShape } from '../../chain/index.ts';

/** What a node offers or lacks, in sentences. */
export interface Finding {
  /** False where something would not work, or not well. */
  readonly ok: boolean;
  readonly finding: string;
}

/** Blocks that an ordinary node keeps the state of: enough for whoever is away for minutes. */
const shortHistory = 256;
/** Blocks by which a node may lag behind its own best head in finality before that is worth a word. */
const longFinality = 20;
const bytesPerKiB = 1_024;
const psPerMs = 1_000_000_000n;

/** Everything that a probe found, each fact with what follows from it and what to do. */
export function findingsOf(node: NodeCapabilities): Finding[] {
  return [
    program(node),
    blocks(node),
    ...node.pallets.flatMap(pallet),
    state(node),
    ...bodies(node),
    proofs(node),
    ...methods(node),
    rpcs(node),
    ...pool(node),
    limits(node),
    ...extensions(node),
  ];
}

export function good(finding: string): Finding {
  return { ok: true, finding };
}

export function bad(finding: string): Finding {
  return { ok: false, finding };
}

function program({ client, specName, specVersion, peers }: NodeCapabilities): Finding {
  const company = peers === undefined ? '' : `, with ${count(peers, 'peer')}`;
  return good(
    `The node is ${client ?? 'of a program that it does not name'} and runs ${specName} ${specVersion}${company}.`,
  );
}

function blocks({ best, finalized, isSyncing }: NodeCapabilities): Finding {
  if (isSyncing === true)
    return bad(
      `The node is still syncing, at block ${best}: what it shows is old. Wait until it has caught up, or use another with --ws.`,
    );
  const lag = best - finalized;
  const where = `Block ${best} is the best, ${finalized} the newest finalized`;
  if (lag <= longFinality) return good(`${where}.`);
  return bad(
    `${where}, ${lag} blocks behind: nothing newer is delivered with --finality finalized. The chain may have lost its finality, or the node its peers.`,
  );
}

function pallet({ name, index, missing, layout }: PalletShape): Finding[] {
  if (index === undefined)
    return [
      bad(
        `The runtime has no pallet ${name}: khala-relay can not work on this chain. Give a node of a Khala-compatible one.`,
      ),
    ];
  const what = name === 'PhalaMq' ? 'messages' : 'workers';
  const layouts = {
    current: `${what} have the layout of today's Khala`,
    older: `${what} have the layout of older chains, without the attestation provider`,
    other: `${what} have a layout of their own, which is read by the chain's metadata, more slowly`,
  };
  const shape = layout === undefined ? '' : `; ${layouts[layout]}`;
  if (missing.length === 0) return [good(`The runtime has ${name} (index ${index})${shape}.`)];
  const lost = missing.map((each) => `${each} (${useOf[each] ?? 'it is used here'})`).join(', ');
  return [bad(`The runtime has ${name} (index ${index}) without ${lost}. Update khala-relay, or use another chain.`)];
}

/** What does not work without it. */
const useOf: Readonly<Record<string, string>> = {
  OffchainIngress: 'no message as a worker can be sent',
  OutboundMessages: 'no message can be received',
  syncOffchainMessage: 'no message as a worker can be sent',
  pushMessage: 'no message as an account can be sent',
  Workers: 'nobody can be found',
  Endpoints: 'no endpoint and no rotated key is seen',
  Gatekeeper: 'gatekeepers are not told apart',
  registerWorkerV2: 'only sudo can register',
  updateWorkerEndpoint: 'no endpoint can be published and no key rotated',
  forceRegisterWorker: 'sudo can not register',
};

function state({ oldestState, best }: NodeCapabilities): Finding {
  if (oldestState <= 1) return good('The node has the state of every block: any backlog of messages can be read.');
  const depth = best - oldestState + 1;
  const short = depth < shortHistory ? ', which is little' : '';
  return bad(
    `The node keeps the state of the last ${count(depth, 'block')}${short}, from ${oldestState} on: a listener that was away for longer stops at the gap. Give an archive node with --ws as well (--state-pruning archive).`,
  );
}

function bodies({ oldestBody, oldestState }: NodeCapabilities): Finding[] {
  if (oldestBody <= Math.max(1, oldestState)) return [];
  return [
    bad(
      `The node has the extrinsics of blocks from ${oldestBody} on only (--blocks-pruning): of older ones it can not be told what became of an extrinsic that was posted.`,
    ),
  ];
}

function proofs({ proofs: offered }: NodeCapabilities): Finding {
  if (offered === true) return good('The node gives proofs of storage: WorkerState is proven against the state root.');
  if (offered === 'wrong')
    return bad(
      'The proofs of storage that the node gives do not hold against the state root of their block: WorkerState names it and leaves it, and by it alone does not begin. Use another node, and no value of this one.',
    );
  return bad(
    'The node gives no proofs of storage (state_getReadProof): WorkerState is read as the node gives it, with a comparison every 100 blocks, and verify: true fails. Use a node that you trust, or one that gives proofs.',
  );
}

function methods({ missingMethods }: NodeCapabilities): Finding[] {
  if (missingMethods === undefined)
    return [bad('The node does not list its RPC methods: whether one is missing shows when it is used.')];
  const missing = missingMethods.filter((method) => method !== 'state_getReadProof' && !method.startsWith('author_'));
  if (missing.length === 0)
    return [good('The node has all RPC methods that are used here; all of them are safe ones.')];
  return [
    bad(
      `The node lacks ${missing.join(', ')}: reading the chain or following it fails. Use a full node with its default RPCs.`,
    ),
  ];
}

function rpcs({ unsafeRpcs, ranges }: NodeCapabilities): Finding {
  const reading =
    ranges === true
      ? 'It reads the messages of many blocks for one request (state_queryStorage) where they are not proven.'
      : 'Messages that are not proven are read block by block.';
  if (unsafeRpcs === false) return good(`The node hides unsafe RPCs, as one in the open should. ${reading}`);
  if (unsafeRpcs === undefined) return good(`Whether the node offers unsafe RPCs can not be told. ${reading}`);
  return bad(
    `The node offers unsafe RPCs: whoever reaches it may change it. Where strangers can, start it with --rpc-methods safe. ${reading}`,
  );
}

function pool({ pool: { submit, watch, pending } }: NodeCapabilities): Finding[] {
  if (submit === false && watch === false)
    return [
      bad('The node takes no extrinsics: nothing can be sent or registered over it. Give a node that does with --ws.'),
    ];
  const waiting =
    pending === undefined ? '' : `; ${count(pending, 'extrinsic')} wait${pending === 1 ? 's' : ''} in its pool`;
  if (watch === false)
    return [
      bad(
        `The node takes extrinsics but does not tell what becomes of them${waiting}: they are looked for in its blocks, which takes longer.`,
      ),
    ];
  if (submit === undefined) return [];
  return [good(`The node takes extrinsics and tells what becomes of them${waiting}.`)];
}

function limits({ blockLength, blockWeight: { refTime, proofSize } }: NodeCapabilities): Finding {
  const time = refTime === undefined ? '' : `, ${refTime / psPerMs} ms of execution`;
  const proof = proofSize === undefined ? '' : ` and ${kiB(Number(proofSize))} of proof`;
  return good(
    `A block takes ${kiB(blockLength)} of extrinsics${time}${proof}: a message on chain is bounded by that; larger ones go off chain or in parts.`,
  );
}

function extensions({ unknownExtensions }: NodeCapabilities): Finding[] {
  if (unknownExtensions.length === 0) return [];
  return [
    bad(
      `Extrinsics of this chain carry ${unknownExtensions.join(', ')}, which khala-relay does not know: it can read here but not send. Update khala-relay.`,
    ),
  ];
}

function kiB(bytes: number): string {
  return `${Math.floor(bytes / bytesPerKiB)} KiB`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
