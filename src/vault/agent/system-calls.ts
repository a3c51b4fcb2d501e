import type { Socket } from 'node:net';

/** What of the platform protects the process. Each is a sentence for people where it is not in force. */
export interface Protections {
  /** No core dump, and no other process of the same user may read the memory. */
  readonly coreDumpsOff: true | string;
  /** Memory does not go to swap. */
  readonly memoryLocked: true | string;
  /** The user at the other end of the socket is checked. */
  readonly peersChecked: true | string;
}

/** Linux on the processors that Node is built for, and Darwin. */
const linux = {
  prSetDumpable: 4,
  rlimitCore: 4,
  rlimitMemlock: 8,
  solSocket: 1,
  soPeercred: 17,
  eachLocked: 1 | 2 | 4,
};
const darwin = { rlimitCore: 4, ptDenyAttach: 31 };
const infinity = 0xffff_ffff_ffff_ffffn;

type Call = (...args: unknown[]) => unknown;
type Library = (prototype: string) => Call;

/** The C library through koffi; undefined where that optional package or a binary of it is missing. */
async function loadLibrary(): Promise<Library | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6');
    return (prototype) => library.func(prototype) as Call;
  } catch {
    return undefined;
  }
}

const noKoffi = 'the optional package koffi is not installed';
const notHere = `not supported on ${process.platform}`;

/** Turns core dumps off and locks memory, where the platform lets a process do so. */
export async function harden(): Promise<Protections> {
  const func = process.platform === 'linux' || process.platform === 'darwin' ? await loadLibrary() : undefined;
  const missing = process.platform === 'linux' || process.platform === 'darwin' ? noKoffi : notHere;
  if (func === undefined) return { coreDumpsOff: missing, memoryLocked: missing, peersChecked: missing };
  return process.platform === 'linux' ? hardenLinux(func) : hardenDarwin(func);
}

function hardenLinux(func: Library): Protections {
  const prctl = func('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)');
  const setrlimit = func('int setrlimit(int resource, uint64_t *limit)');
  const getrlimit = func('int getrlimit(int resource, _Out_ uint64_t *limit)');
  const mlockall = func('int mlockall(int flags)');
  const dumps =
    prctl(linux.prSetDumpable, 0, 0, 0, 0) === 0 && setrlimit(linux.rlimitCore, new BigUint64Array(2)) === 0;
  // Who may raise the limit does.
  setrlimit(linux.rlimitMemlock, BigUint64Array.of(infinity, infinity));
  const limit = new BigUint64Array(2);
  getrlimit(linux.rlimitMemlock, limit);
  // Below an unlimited one the process would be killed by its next allocation instead.
  const locked: true | string =
    limit[0] !== infinity
      ? 'the limit of locked memory is not "unlimited" (ulimit -l)'
      : mlockall(linux.eachLocked) === 0 || 'the system refuses to lock the memory';
  return { coreDumpsOff: dumps || 'the system refuses', memoryLocked: locked, peersChecked: true };
}

function hardenDarwin(func: Library): Protections {
  const setrlimit = func('int setrlimit(int resource, uint64_t *limit)');
  const ptrace = func('int ptrace(int request, int pid, void *addr, int data)');
  const dumps =
    setrlimit(darwin.rlimitCore, new BigUint64Array(2)) === 0 && ptrace(darwin.ptDenyAttach, 0, null, 0) === 0;
  return { coreDumpsOff: dumps || 'the system refuses', memoryLocked: notHere, peersChecked: notHere };
}

/** Tells the user id at the other end of a Unix socket; undefined where the platform does not. */
export async function peerUserReader(): Promise<((socket: Socket) => number | undefined) | undefined> {
  const func = process.platform === 'linux' ? await loadLibrary() : undefined;
  if (func === undefined) return undefined;
  const getsockopt = func(
    'int getsockopt(int fd, int level, int name, _Out_ int32_t *value, _Inout_ uint32_t *length)',
  );
  return (socket) => {
    const { fd } = (socket as Socket & { readonly _handle?: { readonly fd?: number } })._handle ?? {};
    // struct ucred: pid, uid, gid.
    const credentials = new Int32Array(3);
    if (fd === undefined || fd < 0) return undefined;
    const ok = getsockopt(fd, linux.solSocket, linux.soPeercred, credentials, Uint32Array.of(12)) === 0;
    return ok ? credentials[1] : undefined;
  };
}
