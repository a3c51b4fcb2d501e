import type fc from 'fast-check';

/** What a model knows of its world: enough to tell whether a command has anything to act on. */
export interface Model {
  blocks: number;
  messages: number;
}

export type Command<World> = fc.AsyncCommand<Model, World>;

/** Of commands that make messages, or blocks, or need them. */
export const sends = { adds: { messages: 1 } };
export const builds = { adds: { blocks: 1 } };
export const hasBlocks = { needs: { blocks: 1 } };
export const hasMessages = { needs: { messages: 1 } };

/** A command that is possible where there are so many blocks and messages at least, and adds so many. */
export function command<World>(
  name: string,
  run: (world: World) => Promise<void> | void,
  { needs = {}, adds = {} }: { readonly needs?: Partial<Model>; readonly adds?: Partial<Model> } = {},
): Command<World> {
  return {
    check: ({ blocks, messages }) => blocks >= (needs.blocks ?? 0) && messages >= (needs.messages ?? 0),
    run: async (model, world) => {
      model.blocks += adds.blocks ?? 0;
      model.messages += adds.messages ?? 0;
      await run(world);
    },
    toString: () => name,
  };
}
