export type { SqliteCoordOptions } from './sqlite-coord.ts';
export { openSqliteCoord } from './sqlite-coord.ts';
