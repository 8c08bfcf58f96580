import { describe, expect, it } from 'vitest';
import { requireLicense, requireVersion } from './require-timescale.ts';

describe('the TimescaleDB that is needed', () => {
  it.each(['2.23.0', '2.23.0-dev', '2.28.3', '3.0.0'])('may be %s', (version) => {
    expect(() => requireVersion(version)).not.toThrow();
  });

  it.each([
    ['2.22.1', 'TimescaleDB 2.22.1: tailrace needs TimescaleDB 2.23'],
    ['1.7.4', 'ALTER EXTENSION timescaledb UPDATE'],
    [undefined, 'has no TimescaleDB: install it'],
  ])('is not %s, and the refusal says what to do', (version, text) => {
    expect(() => requireVersion(version)).toThrow(
      expect.objectContaining({ code: 'database_too_old', message: expect.stringContaining(text) }),
    );
  });

  it('has its community licence', () => {
    expect(() => requireLicense('timescale')).not.toThrow();
    expect(() => requireLicense('apache')).toThrow(
      expect.objectContaining({
        code: 'database_license',
        message: expect.stringContaining('set timescaledb.license to timescale'),
      }),
    );
  });
});
