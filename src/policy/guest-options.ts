/** Options of guests that reach from the guest into the host: what no caller may set, by tool or by endpoint. */

/** Whole keys, and what each would do. */
const refused: Readonly<Record<string, string>> = {
  args: 'passes options to QEMU on the host',
  hookscript: 'runs a script on the host',
  skiplock: 'goes past a lock that protects the guest',
  force: 'goes past a check that protects the guest',
  lock: 'sets a lock that only Proxmox VE itself may set',
  ivshmem: 'shares memory of the host',
  migratedfrom: 'is only for Proxmox VE itself',
  stateuri: 'is only for Proxmox VE itself',
};

/** Numbered keys that give a guest something of the host: `hostpci0`, `dev1`. */
const passthrough: ReadonlyMap<string, string> = new Map([
  ['hostpci', 'gives the guest a device of the host'],
  ['usb', 'gives the guest a device of the host'],
  ['serial', 'gives the guest a device of the host'],
  ['parallel', 'gives the guest a device of the host'],
  ['dev', 'gives the guest a device of the host'],
  ['virtiofs', 'gives the guest a directory of the host'],
]);

/** Values of those keys that stay inside the guest. */
const harmless: Readonly<Record<string, RegExp>> = {
  serial: /^socket$/,
  usb: /^(host=)?spice(,usb3=[01])?$/,
};

const volumeKeys =
  /^((ide|sata|scsi|virtio|unused|efidisk|tpmstate|mp)\d+|rootfs|cdrom|cicustom|ostemplate|archive)$/;
/** Parts of such a value that name a volume; a part without a key does, too. */
const volumeParts: ReadonlySet<string> = new Set(['', 'file', 'volume', 'import-from']);
/** SECURITY: a volume of a storage, or a size on one; nothing that could be a path of the host. */
const volume = /^(none|[A-Za-z][\w.-]*:[A-Za-z0-9][\w.+:@=-]*(\/[A-Za-z0-9][\w.+:@=-]*)*)$/;

const allowedFeatures: ReadonlySet<string> = new Set(['nesting', 'keyctl', 'fuse']);
const yes = /^(1|on|yes|true)$/i;
/** Texts of several lines, which Proxmox VE encodes itself. */
const multiline: ReadonlySet<string> = new Set(['description', 'ssh-public-keys']);

/**
 * Words on why an option of a guest may not have this value, to complete «policy does not allow the call: …»;
 * undefined where it may. Keys and values are those of Proxmox VE's API, for virtual machines and containers.
 */
export function guestOptionProblem(key: string, value: unknown): string | undefined {
  if (Array.isArray(value))
    return value.map((each) => guestOptionProblem(key, each)).find((problem) => problem !== undefined);
  if (!/^[a-z][a-z0-9_-]{0,63}$/i.test(key))
    return key.startsWith('lxc.')
      ? 'raw lxc options change how the host runs the container'
      : 'one of the options has a name that Proxmox VE does not know';
  if (!['string', 'number', 'boolean'].includes(typeof value))
    return `${key} must be text, a number or a flag`;
  const text = String(value);
  if (!multiline.has(key) && /\p{Cc}/u.test(text)) return `${key} holds a control character`;
  if (Object.hasOwn(refused, key)) return `${key} ${refused[key]}`;
  const device = /^([a-z]+)\d+$/.exec(key)?.[1] ?? '';
  const gives = passthrough.get(device);
  if (gives !== undefined && harmless[device]?.test(text) !== true) return `${key} ${gives}`;
  if (volumeKeys.test(key)) return volumeProblem(key, text);
  if (key === 'unprivileged' && !yes.test(text))
    return "unprivileged=0 makes root in the container the host's root";
  if (key === 'features') return featureProblem(text);
  return key === 'delete' ? removalProblem(text) : undefined;
}

/** Ids of the guests whose disks or backups an option names: to attach one of them is to reach that guest. */
export function guestsInOption(key: string, value: unknown): readonly number[] {
  if (Array.isArray(value)) return value.flatMap((each) => guestsInOption(key, each));
  if (!volumeKeys.test(key)) return [];
  const owned = /(?:^|[:/,=])(?:(?:vm|base|subvol|basevol)-|vzdump-(?:qemu|lxc|openvz)-|(?=\d+\/))(\d{3,9})/g;
  return [...String(value).matchAll(owned)].map(([, id]) => Number(id));
}

function volumeProblem(key: string, value: string): string | undefined {
  for (const part of value.split(',').map((each) => each.trim())) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? '' : part.slice(0, equals).trim();
    const content = part.slice(equals + 1).trim();
    if (name === 'idmap') return `${key} maps users of the host into the container`;
    if (part === '' || (!volumeParts.has(name) && (name === 'mp' || !content.startsWith('/')))) continue;
    if (content === 'cdrom') return `${key} gives the guest a device of the host`;
    if (!volume.test(content))
      return `${key} names something else than a volume of a storage; paths of the host are not given to guests`;
  }
  return undefined;
}

function featureProblem(value: string): string | undefined {
  for (const part of value.split(',').map((each) => each.trim())) {
    const [name = '', flag = ''] = part.split('=', 2);
    if (part !== '' && !allowedFeatures.has(name) && flag !== '0')
      return `of features only ${[...allowedFeatures].join(', ')} may be switched on, as others weaken the isolation of the container`;
  }
  return undefined;
}

/** A disk that is taken out becomes `unused0`; to take that out destroys its data. */
function removalProblem(value: string): string | undefined {
  const keys = value.split(/[,;\s\0]+/);
  if (keys.some((key) => /^unused\d+$/.test(key))) return 'to remove unusedN deletes that disk with its data';
  if (keys.includes('unprivileged')) return "without unprivileged, root in the container is the host's root";
  return undefined;
}
