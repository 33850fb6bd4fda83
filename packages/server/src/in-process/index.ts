// What answers calls behind the socket: for a program that has no socket, such as a simulation.
export { FieldViolations } from '../field-violations.ts';
export { FlowDirectory } from '../flow-directory.ts';
export { InputSchemas } from '../input-schemas.ts';
export { createJobService } from '../job-service.ts';
export { PostGate } from '../post-gate.ts';
export { RunningCalls } from '../running-calls.ts';
export { SERVER_LIMITS } from '../server-limits.ts';
