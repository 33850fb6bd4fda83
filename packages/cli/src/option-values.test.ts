import { describe, expect, it } from 'vitest';
import {
  collectLabel,
  collectWorkerLabel,
  parseAddress,
  parseInteger,
  parseJobStates,
  parseNames,
  parseTime,
} from './option-values.ts';

describe('a whole number', () => {
  it('is taken from a range, and nothing else is', () => {
    const range = { min: 0, max: 9 };
    expect(parseInteger('0', '--priority', range)).toBe(0);
    expect(parseInteger('9', '--priority', range)).toBe(9);
    for (const wrong of ['10', '-1', '', '5x', '0x5', '1e0', ' 5', '5.0', '9'.repeat(400)]) {
      expect(() => parseInteger(wrong, '--priority', range)).toThrow(
        /^--priority: .*allowed: a whole number from 0 to 9$/,
      );
    }
  });
});

describe('a time', () => {
  it('is taken with its zone', () => {
    expect(parseTime('2027-01-31T08:00:00Z', '--run-at')).toBe(Date.UTC(2027, 0, 31, 8));
    expect(parseTime('2027-01-31T08:00+02:00', '--run-at')).toBe(Date.UTC(2027, 0, 31, 6));
    expect(parseTime('2028-02-29T00:00:00.250Z', '--run-at')).toBe(
      Date.UTC(2028, 1, 29, 0, 0, 0, 250),
    );
  });

  it.each(['2027-02-31T00:00:00Z', '2027-01-31T08:00:00', '2027-01-31', 'tomorrow', '1800000000'])(
    'is not guessed from %s',
    (text) => {
      expect(() => parseTime(text, '--run-at')).toThrow(
        /^--run-at: .*allowed: a time with its zone/,
      );
    },
  );
});

describe('labels', () => {
  it('are collected, and may have any value', () => {
    const one = collectLabel('team=a b=c', '--label', {});
    expect(collectLabel('empty=', '--label', one)).toEqual({ team: 'a b=c', empty: '' });
  });

  it.each(['team', '=x', 'bad name=x', '__proto__=x'])('%s is refused', (text) => {
    expect(() => collectLabel(text, '--label', {})).toThrow(/^--label: .*allowed: name=value/);
  });

  it('are refused when one is given twice', () => {
    expect(() => collectLabel('a=2', '--label', { a: '1' })).toThrow('only once');
  });
});

describe('labels of a worker', () => {
  it('are collected, and have names as values', () => {
    const one = collectWorkerLabel('gpu=a100', '--label', {});
    expect(collectWorkerLabel('zone=east', '--label', one)).toEqual({ gpu: 'a100', zone: 'east' });
  });

  it.each(['gpu', 'gpu=', 'gpu=a b', '=a100', 'gpu=a,b'])('%s is refused', (text) => {
    expect(() => collectWorkerLabel(text, '--label', {})).toThrow(/^--label/);
  });
});

describe('lists', () => {
  it('of names are separated by commas', () => {
    expect(parseNames('a, b.c', '--queues')).toEqual(['a', 'b.c']);
    for (const wrong of ['', 'a,,b', 'a,a', 'a b']) {
      expect(() => parseNames(wrong, '--queues')).toThrow('--queues');
    }
  });

  it('of states take either case', () => {
    expect(parseJobStates('DEAD,failed', '--state')).toEqual(['dead', 'failed']);
    expect(() => parseJobStates('done', '--state')).toThrow('scheduled, ready, running');
  });
});

describe('an address', () => {
  it('is a host and a port', () => {
    expect(parseAddress('127.0.0.1:4600', '--listen')).toEqual({ host: '127.0.0.1', port: 4600 });
    expect(parseAddress('[::1]:0', '--listen')).toEqual({ host: '::1', port: 0 });
    expect(parseAddress('board.example:443', '--listen').host).toBe('board.example');
  });

  it.each(['4600', ':4600', 'host', 'host:', 'host:65536', 'http://host:1', '::1:4600', 'a b:1'])(
    '%s is refused',
    (text) => {
      expect(() => parseAddress(text, '--listen')).toThrow('allowed: HOST:PORT');
    },
  );
});
