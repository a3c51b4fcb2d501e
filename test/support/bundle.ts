import { existsSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

const folderOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const sources = folderOf('src');
const built = folderOf('dist');
// Where what it imports of packages is found; of this process, which takes them with it.
const allPrograms = folderOf('node_modules/.cache/test-programs');
const programs = join(allPrograms, String(process.pid));
dropLeft();
process.once('exit', () => rmSync(programs, { recursive: true, force: true }));
const bundles = new Map<string, Promise<string>>();

/**
 * A program of a test with the built library, which is what users run, and its packages in a few plain files. Most of a start is
 * finding and reading 1 500 modules otherwise.
 */
export function bundled(program: URL): Promise<string> {
  const made = bundles.get(program.href) ?? bundle(fileURLToPath(program));
  bundles.set(program.href, made);
  return made;
}

/** The built command line. */
export function bundledCli(): Promise<string> {
  return bundled(pathToFileURL(join(built, 'cli', 'main.js')));
}

/** Code of the machine, what finds files beside itself, CommonJS whose names its text does not tell, and what a test alters. */
const left = [
  'lmdb',
  'koffi',
  '@acala-network/*',
  '@phala/dstack-sdk',
  'pino',
  'fastify',
  '@fastify/*',
  '@nats-io/*',
  'tsx',
];

/** Its modules find threads and files beside themselves as ever. */
const ofBuilt: Plugin = {
  name: 'of the built library',
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /\.ts$/ }, ({ path, resolveDir }) => {
      const file = relative(sources, join(resolveDir, path));
      return file.startsWith('..') ? undefined : { path: join(built, file.replace(/\.ts$/, '.js')) };
    });
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(built + sep)) return undefined;
      const contents = await readFile(path, 'utf8');
      return { contents: contents.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)) };
    });
  },
};

/** CommonJS packages ask for it. */
const withRequire =
  "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);";

async function bundle(entry: string): Promise<string> {
  const name = relative(folderOf(''), entry)
    .replaceAll(sep, '-')
    .replace(/\.[jt]s$/, '');
  const folder = join(programs, name);
  await build({
    ...{ entryPoints: [entry], entryNames: 'main', outdir: folder, outExtension: { '.js': '.mjs' } },
    ...{ bundle: true, splitting: true, external: left, plugins: [ofBuilt], banner: { js: withRequire } },
    ...{ target: 'node20', platform: 'node', format: 'esm', logLevel: 'silent' },
  });
  return join(folder, 'main.mjs');
}

/** Of processes that were killed. */
function dropLeft(): void {
  for (const pid of existsSync(allPrograms) ? readdirSync(allPrograms) : [])
    if (!isRunning(Number(pid))) rmSync(join(allPrograms, pid), { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
