export type { ListenAddress } from './listen-policy.ts';
export type { CreateServerOptions, Server, ServerTls } from './server.ts';
export { createServer } from './server.ts';
export type { ServerLimits } from './server-limits.ts';
export { SERVER_LIMITS } from './server-limits.ts';
