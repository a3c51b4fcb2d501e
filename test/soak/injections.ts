import { eraBlocks, finalityLag } from './node-under-test.ts';
import type { Player } from './player.ts';
import type { Stage } from './stage.ts';
import { recipientKeyOf, type PostedMessage } from './truth.ts';

/** Something that goes wrong on purpose. Resolves when it is over, with false where there was no occasion for it. */
export interface Injection {
  readonly name: string;
  readonly isPossible: (stage: Stage) => boolean;
  readonly perform: (stage: Stage) => Promise<boolean>;
}

const always = (): boolean => true;

export const injections: readonly Injection[] = [
  { name: 'kill -9 of a sender', isPossible: always, perform: (stage) => kill(stage, stage.senders) },
  { name: 'kill -9 of a recipient', isPossible: always, perform: (stage) => kill(stage, stage.recipients) },
  {
    name: 'kill -9 of all at once',
    isPossible: always,
    perform: async (stage) => {
      await Promise.all(stage.players.map((player) => player.kill()));
      for (const player of stage.players) player.start();
      return true;
    },
  },
  {
    name: 'sockets cut',
    isPossible: always,
    perform: async ({ players, proxyOf }) => {
      for (const player of players) proxyOf(player).cut();
      return true;
    },
  },
  {
    name: 'a socket through which nothing goes',
    isPossible: always,
    perform: async (stage) => {
      stage.proxyOf(stage.random.pick(stage.players)).freeze();
      await stage.pause(0, 500);
      return true;
    },
  },
  {
    name: 'a node that takes no connections for a while',
    isPossible: always,
    perform: (stage) =>
      stage.withPlayer(stage.players, (player) =>
        stage.absences.during(player, async () => {
          const proxy = stage.proxyOf(player);
          proxy.close();
          proxy.cut();
          await stage.pause(300, 1_500);
          proxy.open();
          return true;
        }),
      ),
  },
  {
    name: 'a process that stands still',
    isPossible: always,
    perform: (stage) =>
      stage.withPlayer(stage.players, async (player) => {
        player.pause();
        await stage.pause(300, 2_000);
        player.resume();
        return true;
      }),
  },
  {
    name: 'rotation of an EcdhKey',
    isPossible: always,
    perform: (stage) => stage.withPlayer(stage.recipients, (player) => rotate(stage, player)),
  },
  {
    name: 'rotation broken off by kill -9',
    isPossible: always,
    perform: (stage) =>
      stage.withPlayer(stage.recipients, async (player) => {
        await player.ready;
        player.say({ rotate: true });
        if (!(await stage.occasion(() => Promise.resolve(player.isRotating)))) return false;
        await stage.pause(0, 600);
        const isBrokenOff = player.isRotating;
        await player.kill();
        player.start();
        return isBrokenOff;
      }),
  },
  {
    name: 'messages posted again by an attacker',
    isPossible: always,
    perform: async (stage) => {
      const again = stage.someOf(stage.truth.posted);
      return stage.attacker.replay(again);
    },
  },
  {
    name: 'messages posted again as their account',
    isPossible: ({ accountSender }) => accountSender !== undefined,
    perform: async (stage) => {
      const { accountSender: sender } = stage;
      if (sender === undefined) return false;
      const own = (): readonly PostedMessage[] =>
        stage.truth.posted.filter((message) => message.sender === `account ${sender.id}`);
      await stage.occasion(async () => (await stage.truth.catchUp()) > 0 && own().length > 0);
      const again = stage.someOf(own());
      stage.willPost(again);
      return stage.attacker.replayAs(sender, again);
    },
  },
  {
    name: "a worker's signed message taken out of the pool and posted first",
    isPossible: always,
    perform: (stage) =>
      stage.occasion(
        async () =>
          (await stage.waitingExtrinsics()) > 0 &&
          stage.contest(() => stage.attacker.frontRun((message) => stage.willPost([message]))),
      ),
  },
  {
    name: 'a message that other software of a worker posts with its next sequence',
    isPossible: ({ workerSenders }) => workerSenders.length > 0,
    perform: (stage) => {
      const worker = stage.random.pick(stage.workerSenders);
      return stage.occasion(() => stage.contest(() => stage.attacker.postAs(worker)));
    },
  },
  {
    name: 'garbage on the topic of an entity',
    isPossible: always,
    perform: async (stage) => {
      const [model] = stage.someOf(stage.truth.posted);
      return stage.attacker.garbage(stage.idOf(stage.random.pick(stage.recipients)), model);
    },
  },
  {
    name: 'reorg that keeps the extrinsics',
    isPossible: ({ node }) => node.reorg !== undefined,
    perform: (stage) => reorg(stage, true),
  },
  {
    name: 'reorg that loses the extrinsics',
    isPossible: ({ node }) => node.reorg !== undefined,
    perform: (stage) => reorg(stage, false),
  },
  {
    name: 'extrinsics that die of age in the pool',
    isPossible: ({ node }) => node.emptyBlocks !== undefined,
    perform: async (stage) => {
      if (!(await stage.occasion(async () => (await stage.waitingExtrinsics()) > 0))) return false;
      await stage.node.emptyBlocks?.(eraBlocks + 2);
      return true;
    },
  },
  {
    name: 'extrinsics that die of age on their way to the node',
    isPossible: ({ node }) => node.emptyBlocks === undefined,
    perform: (stage) =>
      stage.withPlayer(stage.senders, (player) =>
        stage.absences.during(player, async () => {
          const proxy = stage.proxyOf(player);
          proxy.close();
          proxy.freeze();
          const from = await stage.truth.catchUp();
          await stage.finalized(from + eraBlocks + 2);
          proxy.open();
          proxy.cut();
          return true;
        }),
      ),
  },
  {
    name: 'kill -9 of the node',
    isPossible: ({ node }) => node.crash !== undefined,
    perform: ({ node, absences }) =>
      absences.during(undefined, async () => {
        await node.crash?.();
        return true;
      }),
  },
  {
    name: 'blocks pruned while a recipient was away',
    isPossible: always,
    perform: (stage) =>
      stage.withPlayer(stage.recipients, async (player) => {
        player.isAway = true;
        await player.kill();
        const { node } = stage;
        const { hasRead: first } = player;
        const from = await stage.truth.catchUp();
        const to = await stage.finalized(from + node.keptStates + 10);
        const edge = to - node.keptStates;
        if (node.prune !== undefined) await stage.othersHaveRead(player, edge);
        node.prune?.(edge);
        player.isAway = false;
        player.start();
        await player.ready;
        // A real node goes on forgetting while the recipient starts.
        const last = node.prune === undefined ? (await stage.truth.catchUp()) - node.keptStates : edge - 1;
        stage.willMiss(player, { first: first + 1, last });
        return true;
      }),
  },
];

async function kill(stage: Stage, among: readonly Player[]): Promise<boolean> {
  return stage.withPlayer(among, async (player) => {
    await player.kill();
    await stage.pause(0, 300);
    player.start();
    return true;
  });
}

/** Until a message that is sealed to the new key is in a finalized block: that it is opened too the verdict sees. */
async function rotate(stage: Stage, player: Player): Promise<boolean> {
  await player.ready;
  const { length } = player.rotatedTo;
  const to = stage.idOf(player);
  const isUsed = (message: PostedMessage): boolean =>
    message.to === to && recipientKeyOf(message) === player.rotatedTo[length];
  player.say({ rotate: true });
  return stage.occasion(async () => {
    await stage.truth.catchUp();
    return player.rotatedTo.length > length && stage.truth.posted.some(isUsed);
  });
}

async function reorg({ node, random }: Stage, resubmit: boolean): Promise<boolean> {
  await node.reorg?.(random.between(1, finalityLag), resubmit);
  return true;
}
