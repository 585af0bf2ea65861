/** What the values of parameters must look like beyond their type. */

type Format = (value: string) => string | undefined;

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';

function fitting(pattern: RegExp, problem: (value: string) => string): Format {
  return (value) => (pattern.test(value) ? undefined : problem(value));
}

/** Every item of a list. */
function each(format: Format): Format {
  return (value) =>
    value
      .split(/[,;\s]+/)
      .filter((item) => item !== '')
      .map(format)
      .find((problem) => problem !== undefined);
}

const vmid = fitting(/^[1-9][0-9]{2,8}$/, () => 'value does not look like a valid VM ID');
const node = fitting(
  new RegExp(`^${label}$`),
  (value) => `value '${value}' does not look like a valid node name`,
);
const configId = fitting(/^[a-z][a-z0-9_-]+$/i, (value) => `invalid configuration ID '${value}'`);
const storageId = fitting(
  /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i,
  (value) => `storage ID '${value}' contains illegal characters`,
);
const contents = ['images', 'rootdir', 'vztmpl', 'iso', 'backup', 'snippets', 'import', 'none'];

/** `key=value` with commas between; a word alone is allowed where the value has a key that may be left out. */
function propertyString(hasDefaultKey: boolean): Format {
  return (value) => {
    const parts = value.split(',');
    const bare = parts.filter((part) => !part.includes('='));
    if (hasDefaultKey ? bare.length > 1 : bare.length > 0)
      return hasDefaultKey
        ? 'duplicate key in comma-separated list property'
        : 'value without key, but schema does not define a default key';
    return undefined;
  };
}

export const formats = {
  'pve-node': node,
  'pve-vmid': vmid,
  'pve-vmid-list': each(vmid),
  'pve-configid': configId,
  'pve-storage-id': storageId,
  'pve-storage-content': (value) =>
    contents.includes(value) ? undefined : `invalid content type '${value}'`,
  'pve-poolid': fitting(
    /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+){0,2}$/,
    (value) => `value '${value}' does not look like a valid pool ID`,
  ),
  'dns-name': fitting(
    new RegExp(`^(?:${label}\\.)*${label}$`),
    () => 'value does not look like a valid DNS name',
  ),
  'pve-tag-list': each(
    fitting(/^[a-z0-9_][a-z0-9_\-+.]*$/i, (value) => `invalid characters in tag: ${value}`),
  ),
  'pve-disk-or-network': propertyString(true),
  'pve-container-network': propertyString(false),
  'pve-vm-memory': fitting(
    /^(current=)?\d+$/,
    (value) => `format error\nmemory.current: type check ('integer') failed - got '${value}'`,
  ),
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof formats;
