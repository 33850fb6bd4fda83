/**
 * What stands under the compaction key: how far etcd's history was compacted, and whether a process
 * is at it. Text, so that people can read it too: `idle 12000`, or `running 12000 12100`.
 */
export type CompactionMark =
  | { readonly kind: 'idle'; readonly compactedTo: bigint }
  /** `startedAt` is the store's revision when the process began. */
  | { readonly kind: 'running'; readonly compactedTo: bigint; readonly startedAt: bigint };

const MARK_PATTERN = /^(?:idle (\d{1,18})|running (\d{1,18}) (\d{1,18}))$/;

/** A claim that is this many times `everyRevisions` old is that of a process that died. */
const ABANDONED_AFTER = 10n;

export function formatCompactionMark(mark: CompactionMark): string {
  switch (mark.kind) {
    case 'idle':
      return `idle ${mark.compactedTo}`;
    case 'running':
      return `running ${mark.compactedTo} ${mark.startedAt}`;
    default:
      throw mark satisfies never;
  }
}

/**
 * Reads a mark. One that is not there, can't be read, or is from the future, because the store's
 * revisions have started afresh since, stands for nothing compacted.
 */
export function parseCompactionMark(text: string | undefined, revision: bigint): CompactionMark {
  const nothing: CompactionMark = { kind: 'idle', compactedTo: 0n };
  const match = MARK_PATTERN.exec(text ?? '');
  if (!match) return nothing;
  const [, idleTo, runningTo, startedAt] = match;
  const compactedTo = BigInt(idleTo ?? runningTo ?? 0);
  if (compactedTo > revision || BigInt(startedAt ?? 0) > revision) return nothing;
  if (startedAt === undefined) return { kind: 'idle', compactedTo };
  return { kind: 'running', compactedTo, startedAt: BigInt(startedAt) };
}

/** Why a process wants to compact. */
export type CompactionTrigger =
  /** The store has gone on by `everyRevisions`, whoever wrote. */
  | 'revisions'
  /** This process alone has written so many keys that it is worth it. */
  | 'writes';

/** Whether a process may begin now, given what the mark says. */
export function mayCompact(
  mark: CompactionMark,
  ask: {
    readonly trigger: CompactionTrigger;
    readonly revision: bigint;
    readonly target: bigint;
    readonly everyRevisions: bigint;
  },
): boolean {
  const { trigger, revision, target, everyRevisions } = ask;
  if (target <= mark.compactedTo) return false;
  if (mark.kind === 'running') return revision >= mark.startedAt + everyRevisions * ABANDONED_AFTER;
  return trigger === 'writes' || target >= mark.compactedTo + everyRevisions;
}
