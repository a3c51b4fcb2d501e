import { isRelayError, startDevChain } from '../../src/index.ts';
import { startRealNode } from '../support/real-node.ts';
import { temporaryFolder } from '../support/entities.ts';

/** The node of a run, with what can be done to it. */
export interface NodeUnderTest extends AsyncDisposable {
  readonly kind: 'embedded' | 'real';
  readonly ws: string;
  /** Blocks whose state is there at least, counted back from the finalized head. */
  readonly keptStates: number;
  /** Makes an earlier block the head, so many back; its extrinsics wait in the pool again, or are gone. */
  reorg?(depth: number, resubmit: boolean): Promise<void>;
  /** Builds blocks without any extrinsic. */
  emptyBlocks?(count: number): Promise<void>;
  /** Blocks leave what is in the pool there while that goes on, as full ones would. */
  whileFull?<T>(work: () => Promise<T>): Promise<T>;
  /** Drops the states of the blocks below. */
  prune?(block: number): void;
  /** kill -9, and up again on the same address with the chain that it had. */
  crash?(): Promise<void>;
}

/** How far the embedded chain's finalized head is behind: what a reorg can reach. */
export const finalityLag = 4;
/** Blocks for which an extrinsic is good. */
export const eraBlocks = 64;
const embeddedBlockMs = 200;
const embeddedKeptStates = 20;
/** The node itself builds none: the run does, and knows what is in them. */
const never = 2 ** 31 - 1;

export async function embeddedNode(): Promise<NodeUnderTest> {
  const dev = await startDevChain({ blockTimeMs: never, finalityLag });
  let isOver = false;
  let full = 0;
  const build = async (): Promise<void> => {
    while (!isOver) {
      const due = new Promise((resolve) => setTimeout(resolve, embeddedBlockMs));
      await dev.newBlock({ empty: full > 0 });
      await due;
    }
  };
  const building = build();
  return {
    kind: 'embedded',
    ws: dev.ws,
    keptStates: embeddedKeptStates,
    reorg: async (depth, resubmit) => {
      for (;;)
        try {
          await dev.reorg(Math.max(dev.finalized.number, dev.head.number - depth), { resubmit });
          return;
        } catch (error) {
          // Blocks that were being built finalized that one meanwhile.
          if (!isRelayError(error, 'dev-reorg-refused')) throw error;
        }
    },
    emptyBlocks: async (count) => {
      await dev.newBlock({ count, empty: true });
    },
    whileFull: async (work) => {
      full += 1;
      try {
        return await work();
      } finally {
        full -= 1;
      }
    },
    prune: (block) => {
      dev.pruneBefore(block);
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      await building;
      await dev.stop();
    },
  };
}

const realBlockMs = 250;
// A minute: also where the machine has little time for those that read, they keep up.
const realKeptStates = 240;

export async function realNode(): Promise<NodeUnderTest> {
  const folder = await temporaryFolder();
  const options = { blockTimeMs: realBlockMs, statePruning: realKeptStates, basePath: folder.path };
  let node = await startRealNode(options);
  const { ws, port } = node;
  return {
    kind: 'real',
    ws,
    keptStates: realKeptStates,
    crash: async () => {
      await node.kill();
      node = await startRealNode({ ...options, port });
    },
    async [Symbol.asyncDispose]() {
      await node.stop();
      await folder.remove();
    },
  };
}
