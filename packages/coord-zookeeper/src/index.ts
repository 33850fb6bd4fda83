export { openZooKeeperCoord } from './zookeeper-coord.ts';
export type { ZooKeeperCoordOptions } from './zookeeper-options.ts';
export type { ZooKeeperUrlOptions } from './zookeeper-url.ts';
export { parseZooKeeperUrl } from './zookeeper-url.ts';
