import { describe, expect, it } from 'vitest';
import { loadEngine } from './engine.ts';

const native = {
  App: () => undefined,
  SSLApp: () => undefined,
  us_listen_socket_close: () => undefined,
  us_socket_local_port: () => undefined,
};
const fallback = { ...native, SSLApp: undefined };

function failing(): never {
  throw new Error("version `GLIBC_2.38' not found");
}

describe('the HTTP engine', () => {
  it('is a native build on the machines that the tests run on', () => {
    expect(typeof loadEngine().App).toBe('function');
  });

  it('is the first build that loads', () => {
    const engine = loadEngine([
      { name: 'modern', load: failing },
      { name: 'older', load: () => native },
    ]);
    expect(engine).toBe(native);
  });

  it('is never an implementation in JavaScript, and the refusal says what to install', () => {
    const load = () =>
      loadEngine([
        { name: 'modern', load: failing },
        { name: 'older', load: () => fallback },
      ]);
    expect(load).toThrow(/Node 20, 22 or 24 with glibc 2\.38/);
    expect(load).toThrow(
      expect.objectContaining({
        code: 'http_engine',
        details: {
          failures: ["modern: version `GLIBC_2.38' not found", 'older: not the native build'],
        },
      }),
    );
  });
});
