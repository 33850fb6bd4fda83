import {
  type FieldViolation,
  InvalidArgumentError,
  isName,
  NAME_RULE,
  PayloadTooLargeError,
} from '@holdfast/core';

const TIMESTAMP_SECONDS_MIN = -62_135_596_800n;
const TIMESTAMP_SECONDS_MAX = 253_402_300_799n;
const NANOS_MAX = 999_999_999;

/** The violations of one request, as they are found. */
export class FieldViolations {
  readonly #found: FieldViolation[] = [];
  #tooLarge: PayloadTooLargeError | undefined;

  get count(): number {
    return this.#found.length;
  }

  /** Everything found so far, in the order in which it was found. */
  get all(): readonly FieldViolation[] {
    return this.#found;
  }

  /** Notes a field with its value and what is allowed instead. */
  add(field: string, problem: { readonly value: unknown; readonly allowed: string }): void {
    this.#found.push(...new InvalidArgumentError(field, problem).violations);
  }

  /** Notes a field that needs other words than its value and what is allowed. */
  describe(field: string, description: string): void {
    this.#found.push({ field, description });
  }

  name(field: string, text: string): void {
    if (!isName(text)) this.add(field, { value: text, allowed: NAME_RULE });
  }

  /** Lengths are counted in UTF-16 code units, as JavaScript counts characters. */
  length(field: string, text: string, limit: number): void {
    if (text.length > limit) {
      this.describe(
        field,
        `has ${text.length} characters; allowed: at most ${limit.toLocaleString('en')}`,
      );
    }
  }

  range(field: string, value: number | bigint, range: IntegerRange): void {
    if (value < range.min || value > range.max) {
      const unit = range.unit === undefined ? '' : ` ${range.unit}`;
      this.add(field, { value, allowed: `${range.min} to ${range.max}${unit}` });
    }
  }

  /** Notes a timestamp that isn't one: protobuf's hold the years 1 to 9999. */
  timestamp(field: string, timestamp: TimestampFields | undefined): boolean {
    if (timestamp === undefined) return true;
    const { seconds, nanos } = timestamp;
    const isTimestamp =
      seconds >= TIMESTAMP_SECONDS_MIN &&
      seconds <= TIMESTAMP_SECONDS_MAX &&
      nanos >= 0 &&
      nanos <= NANOS_MAX;
    if (!isTimestamp) {
      this.add(field, {
        value: `${seconds} s, ${nanos} ns`,
        allowed: 'a timestamp of the years 1 to 9999',
      });
    }
    return isTimestamp;
  }

  /** Runs a parser and notes the violations that it throws. */
  attempt(parse: () => unknown): void {
    try {
      parse();
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      this.#found.push(...error.violations);
    }
  }

  payloadSize(field: string, sizeBytes: number, limitBytes: number): void {
    if (sizeBytes <= limitBytes) return;
    this.#tooLarge = new PayloadTooLargeError(field, { sizeBytes, limitBytes });
    this.describe(
      field,
      `has ${sizeBytes} bytes; allowed: at most ${limitBytes}. ` +
        'Store large data elsewhere and pass a reference to it',
    );
  }

  /**
   * Throws when anything was found: PayloadTooLargeError when a payload's size is all that is
   * wrong, else InvalidArgumentError with every violation.
   */
  throwIfAny(): void {
    if (this.#found.length === 1 && this.#tooLarge) throw this.#tooLarge;
    if (this.#found.length > 0) throw new InvalidArgumentError(this.#found);
  }
}

/** Both ends included. */
export interface IntegerRange {
  readonly min: number;
  readonly max: number;
  /** Such as `ms`, for the message. */
  readonly unit?: string | undefined;
}

interface TimestampFields {
  readonly seconds: bigint;
  readonly nanos: number;
}
