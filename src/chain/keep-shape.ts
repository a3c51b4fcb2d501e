const kept = new Map<unknown, object>();

/**
 * Keeps one object of a class whose others are gone when a block is done. Where none of them is left V8 forgets their
 * shape when it collects garbage, and with it all that was compiled for it; of what is done once a block it then takes
 * hundreds of blocks, each of them at several times the cost, until that is compiled again.
 */
export function keepShape(example: object): void {
  kept.set(example.constructor, example);
}
