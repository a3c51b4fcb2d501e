import { Worker } from 'node:worker_threads';

export interface ThreadOptions {
  readonly workerData?: unknown;
  /** Drops what the thread prints: stdout belongs to the program. Such a thread keeps the process running, `unref` or not. */
  readonly isSilent?: boolean;
}

/** Runs a module of khala-relay in a thread; `module` is its URL without the extension. */
export function spawnThread(name: string, module: URL, { workerData, isSilent = false }: ThreadOptions = {}): Worker {
  const options = { name, workerData, stdout: isSilent, stderr: isSilent };
  const thread = import.meta.url.endsWith('.ts')
    ? new Worker(fromSources(`${module.href}.ts`), { ...options, eval: true })
    : new Worker(new URL(`${module.href}.js`), options);
  if (isSilent) {
    thread.stdout.resume();
    thread.stderr.resume();
  }
  return thread;
}

/** The loader for TypeScript that this thread runs under does not reach into new ones. */
function fromSources(url: string): string {
  const loader = import.meta.resolve('tsx/esm/api');
  const [quotedLoader, quotedUrl] = [JSON.stringify(loader), JSON.stringify(url)];
  return `import(${quotedLoader}).then(({ register }) => { register(); return import(${quotedUrl}); })`;
}
