import { devCommand } from './src/cli/commands/dev.ts';
try { await devCommand().parseAsync(process.argv); } catch (e: any) { console.error(`${e.code}: ${e.message} — ${e.remedy}`); process.exitCode = 1; }
