// What a random flow is made of, as fast-check draws it, so that what fails can be shrunk.
import * as fc from 'fast-check';

/** How one task behaves. */
export interface TaskOutline {
  readonly kind: 'task';
  readonly durationMs: number;
  /** Tries that fail before one succeeds. */
  readonly failures: number;
  readonly failsForGood: boolean;
  /** Its first try asks to be tried again only after this time; 0 = it doesn't. */
  readonly laterMs: number;
  readonly revert: 'none' | 'works' | 'flaky' | 'broken';
  readonly heedsSignal: boolean;
  /** Which of the values that it can see it takes. */
  readonly takes: readonly number[];
  /** Where its flow is, on any worker, or on one with the label that some workers have. */
  readonly runs: 'here' | 'anywhere' | 'labelled';
  /** A task job that nobody has claimed by then fails; 0 = it may wait for ever. */
  readonly startTimeoutMs: number;
}

export interface GroupOutline {
  readonly kind: 'linear' | 'unordered' | 'graph';
  /** Rounds that a retry controller around it allows; 0 = there is none. */
  readonly rounds: number;
  readonly items: readonly ItemOutline[];
}

/** One thing or the other, always the same. */
export interface ChoiceOutline {
  readonly kind: 'choice';
  readonly answer: boolean;
  readonly do: ItemOutline;
  readonly otherwise: ItemOutline;
}

/** A link with a decider, which always says the same. */
export interface DecidedOutline {
  readonly kind: 'decided';
  readonly answer: boolean;
  readonly from: TaskOutline;
  readonly to: ItemOutline;
}

/** An item for each number of a list that a task makes. */
export interface MapOutline {
  readonly kind: 'map';
  readonly list: TaskOutline;
  readonly count: number;
  readonly concurrency: number;
  readonly body: ItemOutline;
}

export interface SleepOutline {
  readonly kind: 'sleep';
  readonly ms: number;
}

export type ItemOutline =
  | TaskOutline
  | GroupOutline
  | ChoiceOutline
  | DecidedOutline
  | MapOutline
  | SleepOutline;

const taskOutline: fc.Arbitrary<TaskOutline> = fc.record({
  kind: fc.constant('task'),
  durationMs: fc.constantFrom(0, 0, 20, 300, 2000, 9000),
  failures: fc.constantFrom(0, 0, 0, 0, 1, 2),
  failsForGood: fc.integer({ min: 1, max: 12 }).map((draw) => draw === 12),
  laterMs: fc.constantFrom(0, 0, 0, 0, 0, 0, 3000, 15_000),
  revert: fc.constantFrom('none', 'works', 'works', 'flaky', 'broken'),
  heedsSignal: fc.boolean(),
  takes: fc.array(fc.nat(20), { maxLength: 2 }),
  runs: fc.constantFrom('here', 'here', 'here', 'here', 'anywhere', 'labelled'),
  startTimeoutMs: fc.constantFrom(0, 0, 0, 0, 0, 0, 60_000),
});

const sleepOutline: fc.Arbitrary<SleepOutline> = fc.record({
  kind: fc.constant('sleep'),
  ms: fc.constantFrom(0, 40, 3000, 12_000, 700_000),
});

/** Of eighteen items that are not the deepest, seven are tasks, seven groups, and one each of the others. */
const TASKS_AND_GROUPS = 7;

/** What the tasks of one flow may come to, with those of each item of its maps: enough for every shape. */
const TASKS_MAX = 24;

/** A tree of groups and other patterns, three deep, of at most four items each. */
const tree: fc.Arbitrary<GroupOutline> = fc.letrec<{
  item: ItemOutline;
  group: GroupOutline;
  choice: ChoiceOutline;
  decided: DecidedOutline;
  map: MapOutline;
}>((tie) => ({
  item: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    { weight: TASKS_AND_GROUPS, arbitrary: taskOutline },
    { weight: TASKS_AND_GROUPS, arbitrary: tie('group') },
    { weight: 1, arbitrary: tie('choice') },
    { weight: 1, arbitrary: tie('decided') },
    { weight: 1, arbitrary: tie('map') },
    { weight: 1, arbitrary: sleepOutline },
  ),
  group: fc.record({
    kind: fc.constantFrom('linear', 'linear', 'unordered', 'graph'),
    rounds: fc.constantFrom(0, 0, 0, 1, 2, 3),
    items: fc.array(tie('item'), { minLength: 1, maxLength: 4 }),
  }),
  choice: fc.record({
    kind: fc.constant('choice'),
    answer: fc.boolean(),
    do: tie('item'),
    otherwise: tie('item'),
  }),
  decided: fc.record({
    kind: fc.constant('decided'),
    answer: fc.boolean(),
    from: taskOutline,
    to: tie('item'),
  }),
  map: fc.record({
    kind: fc.constant('map'),
    list: taskOutline,
    count: fc.integer({ min: 0, max: 3 }),
    concurrency: fc.integer({ min: 1, max: 3 }),
    body: tie('item'),
  }),
})).group;

/** Trees that a world has time for. */
export const flowOutline: fc.Arbitrary<GroupOutline> = tree.filter(
  (outline) => countTasks(outline) <= TASKS_MAX,
);

function countTasks(outline: ItemOutline): number {
  switch (outline.kind) {
    case 'task':
      return 1;
    case 'sleep':
      return 0;
    case 'choice':
      return countTasks(outline.do) + countTasks(outline.otherwise);
    case 'decided':
      return countTasks(outline.from) + countTasks(outline.to);
    case 'map':
      return 1 + outline.count * countTasks(outline.body);
    case 'linear':
    case 'unordered':
    case 'graph':
      return outline.items.reduce((sum, item) => sum + countTasks(item), 0);
    default:
      return outline satisfies never;
  }
}
