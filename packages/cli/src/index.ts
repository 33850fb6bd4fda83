export { main } from './main.ts';
export { openStore } from './open-store.ts';
