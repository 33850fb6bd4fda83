export type { ConformanceDriver, ConformanceStore } from './conformance-store.ts';
export { describeCoordConformance } from './describe-coord-conformance.ts';
export type { Operation } from './linearizability.ts';
export { findOrder } from './linearizability.ts';
