// The part of WebAssembly's JavaScript interface that evaluation uses: Node's own types name it, and have no values.
declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  var Memory: new (descriptor: { initial: number; maximum?: number }) => Memory;
  var Module: new (bytes: Uint8Array) => Module;
  var Instance: new (module: Module, imports: Readonly<Record<string, object>>) => Instance;
}
