import type { Command } from 'commander';
import { watchWorkerState } from '../../worker-state/index.ts';
import { action, command, type Context } from '../command.ts';
import { openChain, verified } from '../session.ts';
import { stderrLogger } from '../stderr-logger.ts';
import { tellNodeFaults } from '../tell-node-faults.ts';
import { warn } from '../warn.ts';
import { WorkerLines } from '../worker-lines.ts';

interface Flags {
  readonly watch?: true;
}

export function workersCommand(description: string): Command {
  return command('workers', description, ['ws', 'genesis', 'quorum', 'verify', 'finality', 'timeout'])
    .option('--watch', 'go on with every change')
    .action(action(0, workers));
}

async function workers({ settings, flags, output, signal, interrupted }: Context<Flags>): Promise<void> {
  await using chain = await openChain(settings, signal);
  await using watch = watchWorkerState(chain, {
    ...{ finality: settings.finality, logger: stderrLogger },
    ...verified(settings),
  });
  await Promise.race([watch.ready, interrupted]);
  const isOver = (): boolean => signal.aborted;
  if (isOver()) return;
  // Opened together with the view that is printed, so that none falls between the two.
  const steps = watch.steps();
  void interrupted.then(() => steps.return?.());
  const drained = (): Promise<void> => Promise.race([output.drained(), interrupted]);
  const { block } = watch.state.at;
  const lines = new WorkerLines(output);
  for (const worker of watch.state.values()) {
    lines.added(worker, block, flags.watch === true);
    await drained();
    if (isOver()) return;
  }
  if (flags.watch !== true) return;
  using _faults = tellNodeFaults(chain, output);
  output.print(
    { event: 'ready', block, workers: lines.size, trust: watch.stats.trust, strategy: watch.stats.strategy },
    `${lines.size} worker(s) at block ${block}; watching.`,
  );
  for await (const step of steps) {
    if (step.isReset) lines.again(watch.state);
    for (const change of step.changes)
      if (change.type === 'invalid-record') warn(`${change.identity} has an invalid ECDH record: ${change.reason}`);
      else lines.changed(change);
    await drained();
  }
}
