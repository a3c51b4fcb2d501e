/** Where the chain room reports what it mends by itself. A pino logger is one. */
export interface ChainLogger {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export const silentLogger: ChainLogger = {
  debug: () => undefined,
  warn: () => undefined,
};
