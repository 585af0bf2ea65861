/** Paths below /api2/json, of which every variable part is percent-encoded. */

declare const checked: unique symbol;
/** SECURITY: only made here, so that no value from outside can leave its place in a path. */
export type ApiPath = string & { readonly [checked]: true };

/** A tag for template literals: apiPath`/nodes/${node}/lxc/${vmid}/config`. Throws RangeError for a dot segment. */
export function apiPath(parts: TemplateStringsArray, ...values: readonly (string | number)[]): ApiPath {
  return String.raw({ raw: parts }, ...values.map(segment)) as ApiPath;
}

function segment(value: string | number): string {
  const text = String(value);
  if (text === '' || text === '.' || text === '..' || !text.isWellFormed())
    throw new RangeError('not a segment of a path');
  return encodeURIComponent(text);
}

export interface GuestAddress {
  readonly node: string;
  readonly kind: 'container' | 'vm';
  readonly vmid: number;
}

/** Of a guest, or of what follows: guestPath(guest, 'status', 'current'). Throws RangeError for a dot segment. */
export function guestPath({ node, kind, vmid }: GuestAddress, ...rest: readonly string[]): ApiPath {
  const guest = apiPath`/nodes/${node}/${kind === 'vm' ? 'qemu' : 'lxc'}/${vmid}`;
  return [guest, ...rest.map(segment)].join('/') as ApiPath;
}
