/** Inside the lab every argument, path and line is a byte string: one character a byte, so no byte is ever lost. */

export function toByteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Decodes as UTF-8; what is no UTF-8 becomes U+FFFD. */
export function toText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export function toBuffer(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}
