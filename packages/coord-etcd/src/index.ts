export type { CompactionOptions } from './compactor.ts';
export { DEFAULT_COMPACTION } from './compactor.ts';
export { openEtcdCoord } from './etcd-coord.ts';
export type { EtcdCoordOptions, EtcdTlsOptions } from './etcd-options.ts';
export { CALL_DEADLINE_MS } from './etcd-transport.ts';
export type { EtcdUrlOptions } from './etcd-url.ts';
export { parseEtcdUrl } from './etcd-url.ts';
export { DEFAULT_PREFIX } from './key-space.ts';
