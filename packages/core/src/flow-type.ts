/**
 * What a client has to know of a flow: its name, and in its type the shape of input and output.
 * A flow made by `@holdfast/flow` is one, so `import type` of it is enough to post jobs to it.
 */
export interface FlowType<Input = unknown, Output = unknown> {
  readonly name: string;
  /** Exists in the type only. */
  readonly '~types'?: { readonly input: Input; readonly output: Output } | undefined;
}

/** The input that a post to the flow takes. */
export type FlowInput<Flow extends FlowType> = NonNullable<Flow['~types']>['input'];

/** The output that a job of the flow resolves to. */
export type FlowOutput<Flow extends FlowType> = NonNullable<Flow['~types']>['output'];
