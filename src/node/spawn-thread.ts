import { Worker, type WorkerOptions } from 'node:worker_threads';

export interface ThreadOptions {
  readonly workerData?: unknown;
  /** Drops what the thread prints: stdout belongs to the program. Such a thread keeps the process running, `unref` or not. */
  readonly isSilent?: boolean;
}

/** Runs a module of khala-relay in a thread; `module` is its URL without the extension. */
export function spawnThread(name: string, module: URL, { workerData, isSilent = false }: ThreadOptions = {}): Worker {
  const options = { name, workerData, stdout: isSilent, stderr: isSilent };
  const thread = import.meta.url.endsWith('.ts')
    ? fromSources(module, options)
    : new Worker(new URL(`${module.href}.js`), options);
  if (isSilent) {
    thread.stdout.resume();
    thread.stderr.resume();
  }
  return thread;
}

/**
 * The loader for TypeScript that this thread runs under does not reach into new ones. Where dist/ has just been built, as for
 * `npm test`, threads run from there, without one, which takes half the time.
 */
function fromSources({ href }: URL, options: WorkerOptions): Worker {
  if (process.env['KHALA_RELAY_BUILT_THREADS'] === '1') {
    const built = new URL(`${href.replace(/^(.*)\/src\//, '$1/dist/')}.js`);
    return new Worker(built, { ...options, execArgv: [] });
  }
  const [loader, url] = [import.meta.resolve('tsx/esm/api'), `${href}.ts`].map((text) => JSON.stringify(text));
  const source = `import(${loader}).then(({ register }) => { register(); return import(${url}); })`;
  return new Worker(source, { ...options, eval: true });
}
