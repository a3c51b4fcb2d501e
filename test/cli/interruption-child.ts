/** Tells of each signal that it survives, 600 ms after the one before by its clock, until one ends it. */
import { onInterruption } from '../../src/cli/interruption.ts';

let now = 0;
const { signal } = onInterruption(() => now);
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    now += 600;
    console.log(`${name} ${signal.aborted}`);
  });
setInterval(() => undefined, 2 ** 31 - 1);
console.log('ready');
