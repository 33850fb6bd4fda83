// What is stored of a flow is what the API sends of it, so its shape is wire's.
export type {
  FlowEdgeFields as FlowEdgeRecord,
  FlowFields as FlowRecord,
  FlowNodeFields as FlowNodeRecord,
  FlowViewFields as FlowView,
} from '@holdfast/wire';
