import fc from 'fast-check';

/** What a model knows of its world: enough to tell whether a command has anything to act on. */
export interface Model {
  blocks: number;
  messages: number;
}

export type Command<World> = fc.AsyncCommand<Model, World>;

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

/** Plays commands on a world that was just made. */
export function playOn<World extends object>(world: World, commands: Iterable<Command<World>>): Promise<void> {
  return fc.asyncModelRun(() => ({ model: { blocks: 0, messages: 0 }, real: world }), commands);
}
