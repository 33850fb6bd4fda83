/** A language that `repo-check` counts lines of. */
export interface Language {
  readonly name: string;
  /** Source code, which may carry a licence header; false for prose and data. */
  readonly isSource: boolean;
}

const SOURCE: Readonly<Record<string, string>> = {
  c: 'C',
  h: 'C',
  cc: 'C++',
  cpp: 'C++',
  cxx: 'C++',
  hh: 'C++',
  hpp: 'C++',
  cs: 'C#',
  clj: 'Clojure',
  css: 'CSS',
  scss: 'CSS',
  dart: 'Dart',
  ex: 'Elixir',
  exs: 'Elixir',
  elm: 'Elm',
  erl: 'Erlang',
  fs: 'F#',
  go: 'Go',
  groovy: 'Groovy',
  hs: 'Haskell',
  java: 'Java',
  js: 'JavaScript',
  jsx: 'JavaScript',
  cjs: 'JavaScript',
  mjs: 'JavaScript',
  jl: 'Julia',
  kt: 'Kotlin',
  kts: 'Kotlin',
  lua: 'Lua',
  ml: 'OCaml',
  m: 'Objective-C',
  mm: 'Objective-C',
  pl: 'Perl',
  pm: 'Perl',
  php: 'PHP',
  proto: 'Protocol Buffers',
  py: 'Python',
  r: 'R',
  rb: 'Ruby',
  rs: 'Rust',
  scala: 'Scala',
  sh: 'Shell',
  bash: 'Shell',
  zsh: 'Shell',
  sql: 'SQL',
  svelte: 'Svelte',
  swift: 'Swift',
  tf: 'Terraform',
  ts: 'TypeScript',
  tsx: 'TypeScript',
  cts: 'TypeScript',
  mts: 'TypeScript',
  vue: 'Vue',
  zig: 'Zig',
};

const PROSE_AND_DATA: Readonly<Record<string, string>> = {
  html: 'HTML',
  json: 'JSON',
  jsonc: 'JSON',
  md: 'Markdown',
  rst: 'reStructuredText',
  svg: 'SVG',
  toml: 'TOML',
  txt: 'Text',
  xml: 'XML',
  yaml: 'YAML',
  yml: 'YAML',
};

const BY_FILE_NAME: Readonly<Record<string, string>> = {
  Dockerfile: 'Dockerfile',
  Makefile: 'Makefile',
  'CMakeLists.txt': 'CMake',
};

/** The language of a file by its name; undefined when the name doesn't tell. */
export function languageOf(path: string): Language | undefined {
  const fileName = path.slice(path.lastIndexOf('/') + 1);
  const named = lookUp(BY_FILE_NAME, fileName);
  if (named !== undefined) return { name: named, isSource: true };
  const dot = fileName.lastIndexOf('.');
  // A dot at the start begins a hidden file's name, not an extension.
  if (dot <= 0) return undefined;
  const extension = fileName.slice(dot + 1).toLowerCase();
  const source = lookUp(SOURCE, extension);
  if (source !== undefined) return { name: source, isSource: true };
  const other = lookUp(PROSE_AND_DATA, extension);
  return other === undefined ? undefined : { name: other, isSource: false };
}

/** An own entry of the table: a file may be called `x.constructor`. */
function lookUp(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
