import { writeFileSync } from 'node:fs';
import mocha from 'mocha';

const defaultGraceMs = 15_000;

/** Mocha's spec; it leaves the numbers in a file, and a process that does not end is a failure with a name. */
export class TestReporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { statsFile, graceMs = defaultGraceMs } = options.reporterOptions;
    runner.once('end', () => {
      const { passes: passed, failures: failed, pending: skipped } = this.stats;
      if (statsFile) writeFileSync(statsFile, JSON.stringify({ passed, failed, skipped }));
      setTimeout(() => {
        const held = process.getActiveResourcesInfo().filter((kind) => !/^(TTY|Pipe)Wrap$/.test(kind));
        process.stderr.write(`The tests are over, but these keep the process alive: ${held.join(', ')}\n`);
        // Mocha sets its own code when the process exits.
        process.once('exit', () => {
          process.exitCode = 1;
        });
        process.exit();
      }, Number(graceMs)).unref();
    });
  }
}

export { TestReporter as default, TestReporter as 'module.exports' };
