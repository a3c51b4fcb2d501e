/** The runtime did what it may not. */
export class RuntimeTrap extends Error {}

/** The runtime wants of its host what only the interpreter gives. */
export class NeedsInterpreter extends Error {}
