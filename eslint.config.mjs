import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';
import { rooms } from './scripts/lib/rooms.mjs';

const polkadotApi = {
  regex: '^@polkadot/(api|api-[a-z-]+|rpc-[a-z-]+)(/|$)',
  message: 'Only src/chain, src/dev-chain, src/contract and chain-types import @polkadot/api and its family.',
};
const nodeApi = {
  regex: '^@polkadot/(api|rpc-[a-z-]+|api-(?!contract)[a-z-]+)(/|$)',
  message: 'Contracts are encoded without a node.',
};
const chopsticks = {
  regex: '^@acala-network/',
  message: 'The embedded node is heavy: only src/dev-chain loads it.',
};

export default defineConfig(
  globalIgnores([
    'dist/',
    'coverage/',
    'runtime/target/',
    'sr25519/target/',
    'chain-types/src/',
    'chain-types/**/*.d.ts',
    '**/generated/',
  ]),
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true, defaultFrom: true } }],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'anywhere' }],
    },
  },

  {
    files: ['**/*.ts'],
    extends: [ts.configs.strictTypeChecked, ts.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // `async` without `await` keeps a method's failures inside its promise.
      '@typescript-eslint/require-await': 'off',
    },
  },

  {
    files: ['src/**/*.ts'],
    plugins: { boundaries },
    settings: {
      'boundaries/root-path': import.meta.dirname,
      'boundaries/elements': Object.keys(rooms).map((room) => ({ type: room, pattern: `src/${room}` })),
      'boundaries/files': [{ category: 'public', pattern: 'src/index.ts' }],
      'import/resolver': { node: { extensions: ['.ts', '.js', '.json'] } },
    },
    rules: {
      'no-console': 'error',
      'no-restricted-imports': ['error', { patterns: [polkadotApi, chopsticks] }],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ThrowStatement > NewExpression[callee.name=/^(Error|TypeError|RangeError)$/]',
          message:
            'RelayError is the only error that leaves khala-relay: give the failure a code in src/errors/catalogue.',
        },
        {
          selector: "MemberExpression[object.name='AbortSignal'][property.name='any']",
          message: 'Node 20 leaves an entry in each of the signals for ever: use LinkedAbort of src/signals.',
        },
      ],
      'boundaries/no-unknown-files': 'error',
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          message: '{{from.element.type}} may not import {{to.element.type}}: see scripts/lib/rooms.mjs',
          policies: [
            ...Object.entries(rooms).map(([room, imports]) => ({
              from: { element: { type: room } },
              allow: { to: { element: { types: { anyOf: [room, ...imports] } } } },
            })),
            {
              from: { file: { categories: 'public' } },
              allow: { to: { element: { types: { anyOf: Object.keys(rooms).filter((room) => room !== 'cli') } } } },
            },
          ],
        },
      ],
    },
  },
  { files: ['src/cli/**/*.ts'], rules: { 'no-console': 'off' } },
  { files: ['src/chain/**/*.ts'], rules: { 'no-restricted-imports': ['error', { patterns: [chopsticks] }] } },
  {
    files: ['src/contract/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [nodeApi, chopsticks] }] },
  },
  { files: ['src/dev-chain/**/*.ts'], rules: { 'no-restricted-imports': 'off' } },

  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      // The calls of api.tx are functions, not methods, though their types say otherwise.
      '@typescript-eslint/unbound-method': 'off',
    },
  },

  {
    files: ['**/*.mjs', '**/*.js', '**/*.cjs'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'URL',
          'Buffer',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'fetch',
          'performance',
          'TextEncoder',
          'TextDecoder',
          'AbortController',
          'AbortSignal',
          'WebAssembly',
          'globalThis',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  { files: ['eslint.config.mjs', 'scripts/lib/test-reporter.mjs'], rules: { 'no-restricted-exports': 'off' } },
);
