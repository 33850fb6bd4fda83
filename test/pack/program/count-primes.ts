// Runs in a thread: computes, and returns.
// oxlint-disable-next-line import/no-default-export -- What a pool takes unless it is told a name.
export default function countPrimes({ below }: { readonly below: number }): {
  readonly primes: number;
} {
  let primes = 0;
  for (let candidate = 2; candidate < below; candidate += 1) {
    let divisor = 2;
    while (candidate % divisor !== 0) divisor += 1;
    if (divisor === candidate) primes += 1;
  }
  return { primes };
}
