// What is stored of a member is what the API sends of it, so its shape is wire's.
export type { WorkerFields as WorkerInfo, WorkerViewFields as WorkerView } from '@holdfast/wire';
