import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const library = fileURLToPath(new URL('../../src/index.ts', import.meta.url));
const built = pathToFileURL(fileURLToPath(new URL('../../dist/index.js', import.meta.url))).href;

/** A process of the run as one plain file over the built library, which is what users run, and starts in half the time. */
export async function bundled(name: 'sender' | 'recipient', folder: string): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}-process.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    plugins: [
      {
        name: 'built-library',
        setup: ({ onResolve }) => {
          onResolve({ filter: /\/src\/index\.ts$/ }, ({ path, resolveDir }) =>
            join(resolveDir, path) === library ? { path: built, external: true } : undefined,
          );
        },
      },
    ],
  });
  return outfile;
}
