import { fillTheDisk } from './full-disk-ordeal.ts';

/** `full-disk-child.ts FOLDER`, in a process whose files may not grow past some MiB. */
await fillTheDisk(process.argv[2] ?? '');
