// npm run package:check: packs the project and looks at the tarball as its users will: publint, attw, and a strict compile and
// a run of a small program that depends on it.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npm, prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { capture, main, say, step, StepFailed } from './lib/run.mjs';

const program = `import { encodeBody, isRelayError, messageId, RelayError, type Body } from 'khala-relay';
import { decodeEnvelope } from 'khala-relay/browser';

const body: Body = { kind: 'data', content: new Uint8Array([1]) };
const id: \`0x\${string}\` = messageId({ genesisHash: new Uint8Array(32), envelope: encodeBody(body) });
let code: string | undefined;
try {
  decodeEnvelope(new Uint8Array());
} catch (error) {
  if (isRelayError(error, 'truncated') && error instanceof RelayError) code = error.code;
}
if (id.length !== 66 || code !== 'truncated') throw new Error(\`\${id} \${String(code)}\`);
`;

await main(async () => {
  await prepare();
  const folder = mkdtempSync(join(tmpdir(), 'khala-relay-package-'));
  try {
    await check(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say('the package holds');
  return 0;
});

async function check(folder) {
  const pack = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder];
  await step('packing', ...npm(pack));
  const tarball = join(
    folder,
    readdirSync(folder).find((file) => file.endsWith('.tgz')),
  );
  await step('checking with publint', process.execPath, [bin('publint'), 'run', tarball, '--strict']);
  await step('checking with attw', process.execPath, [
    bin('@arethetypeswrong/cli', 'attw'),
    tarball,
    '--profile',
    'esm-only',
  ]);
  await useIt(folder, tarball);
}

/** The tarball unpacked beside the installed dependencies, and a program that imports it. */
async function useIt(folder, tarball) {
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'khala-relay');
  mkdirSync(own, { recursive: true });
  for (const name of readdirSync(inRoot('node_modules')))
    if (!name.startsWith('.')) symlinkSync(inRoot('node_modules', name), join(modules, name));
  await step('unpacking', 'tar', ['xzf', tarball, '-C', own, '--strip-components=1']);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'program.ts'), program);
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const strict = ['--strict', '--skipLibCheck', '--target', 'es2023', '--ignoreConfig', '--types', 'node'];
  for (const module of ['nodenext', 'preserve'])
    await step(
      `compiling a user's program (module ${module})`,
      process.execPath,
      [tsc, ...strict, '--module', module, 'program.ts'],
      {
        cwd: folder,
      },
    );
  await step("running a user's program", process.execPath, ['program.js'], { cwd: folder });
  const { version } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  const cli = await capture(process.execPath, [join(own, 'dist', 'cli', 'main.js'), '--version'], { cwd: folder });
  if (cli.code !== 0 || !cli.stdout.includes(version))
    throw new StepFailed(`khala-relay --version of the package says: ${cli.output}`);
}

/** The file that a package of ours names as its program. */
function bin(name, program = name) {
  const folder = inRoot('node_modules', name);
  const entry = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).bin;
  return join(folder, typeof entry === 'string' ? entry : entry[program]);
}
