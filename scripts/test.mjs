// npm test: installs and builds what is missing, then runs the tests. Arguments go to mocha: npm test -- -g 'a title',
// npm test -- test/codec/vectors.test.ts, npm test -- test/codec for all tests of a folder.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { main, pass, StepFailed } from './lib/run.mjs';

await main(async (args) => {
  const chosen = args.map(testsOf);
  await prepare();
  const folder = mkdtempSync(join(tmpdir(), 'khala-relay-test-'));
  const statsFile = join(folder, 'stats.json');
  // Coverage is that of the sources.
  const env = process.env.NODE_V8_COVERAGE ? process.env : { ...process.env, KHALA_RELAY_BUILT_THREADS: '1' };
  try {
    const mocha = [
      inRoot('node_modules', 'mocha', 'bin', 'mocha.js'),
      ...['--reporter', inRoot('scripts', 'lib', 'test-reporter.mjs'), '--reporter-option', `statsFile=${statsFile}`],
      // One more than the cores of a small machine: tests wait for blocks and for processes most of the time.
      ...(chosen.some(isTests) ? [] : ['--parallel', '--jobs', '3', 'test/**/*.test.ts']),
      ...chosen,
    ];
    const code = await pass(process.execPath, mocha, { env });
    return report(statsFile, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function isTests(arg) {
  return arg.startsWith('test/');
}

/** Of a folder its tests only, since programs that tests start stand beside them. A path that is none would run everything. */
function testsOf(arg) {
  if (!isTests(arg)) return arg;
  const found = statSync(inRoot(arg), { throwIfNoEntry: false });
  if (found === undefined && !arg.includes('*')) throw new StepFailed(`there is no ${arg}`);
  return found?.isDirectory() ? `${arg.replace(/\/$/, '')}/**/*.test.ts` : arg;
}

/** The last line is for machines too: `N passed, N failed`, with the skipped ones where there are any. */
function report(statsFile, code) {
  const { passed, failed, skipped } = read(statsFile) ?? { passed: 0, failed: 1, skipped: 0 };
  // Mocha's exit code also knows of failures that are no test's, such as a process that would not end.
  const failures = Math.max(failed, code === 0 ? 0 : 1);
  console.log(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return failures > 0 ? code || 1 : 0;
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
