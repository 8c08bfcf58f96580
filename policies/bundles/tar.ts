// Reads the tar inside a bundle: regular files by name, and nothing that Go's archive writer does not write.

const BLOCK = 512;

/** A file's name, without a leading slash, and its bytes (a view into the archive). */
export interface TarFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Lists the regular files of a ustar archive. Undefined where it is none, is cut off, or has names that are longer than
 * ustar has room for: those stand in headers of their own, which are not read.
 */
export function readTar(archive: Uint8Array): TarFile[] | undefined {
  const files: TarFile[] = [];
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header[0] === 0) return files;
    const size = Number.parseInt(textAt(header, 124, 12), 8);
    const start = at + BLOCK;
    if (!checksumHolds(header) || !(size >= 0) || start + size > archive.length) return undefined;
    if (renames(header, archive.subarray(start, start + size))) return undefined;
    // '0' and NUL are regular files; other extended headers and directories hold nothing that is read here.
    if (header[156] === 0x30 || header[156] === 0) {
      const prefix = textAt(header, 345, 155);
      const path = textAt(header, 0, 100);
      const name = (prefix === '' ? path : `${prefix}/${path}`).replace(/^(\.?\/)+/, '');
      files.push({ name, bytes: archive.subarray(start, start + size) });
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return undefined;
}

/** Whether an extended header ('x', 'g'; GNU: 'L') says another name for what follows. */
function renames(header: Uint8Array, bytes: Uint8Array): boolean {
  const type = String.fromCharCode(header[156] ?? 0);
  return type === 'L' || ('xg'.includes(type) && /^\d+ path=/m.test(Buffer.from(bytes).toString()));
}

function textAt(header: Uint8Array, start: number, length: number): string {
  const text = Buffer.from(header.subarray(start, start + length)).toString('utf8');
  const end = text.indexOf('\0');
  return (end < 0 ? text : text.slice(0, end)).trim();
}

/** The header's sum with its own field (bytes 148 to 155) taken as spaces. */
function checksumHolds(header: Uint8Array): boolean {
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  return sum === Number.parseInt(textAt(header, 148, 8), 8);
}
