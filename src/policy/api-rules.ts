/** What no call of the REST API may do, whoever asks, and how far each of the others can reach. */
import { guestOptionProblem } from './guest-options.ts';
import type { Effect } from './rules.ts';

export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below /api2/json, with its variables filled in: /nodes/pve1/qemu/300/config */
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
}

interface Closed {
  readonly path: RegExp;
  /** Completes «policy does not allow the call: …». */
  readonly why: string;
}

/** Neither read nor written. */
const closed: readonly Closed[] = [
  {
    path: /^\/access\/(?!(permissions|domains|roles)$|roles\/[^/]+$)/,
    why: 'users, passwords, API tokens and permissions are not handled through this gateway',
  },
  { path: /^\/nodes\/[^/]+\/execute$/, why: 'execute carries out calls that nobody has judged' },
  {
    path: /^\/nodes\/.*\/(vncproxy|termproxy|spiceproxy|vncwebsocket|vncshell|spiceshell|mtunnel|mtunnelwebsocket)$/,
    why: 'consoles and tunnels are not opened through this gateway',
  },
  {
    path: /^\/nodes\/[^/]+\/qemu\/[^/]+\/(monitor|dbus-vmstate)$/,
    why: 'the monitor of QEMU acts on the host',
  },
  {
    path: /^\/nodes\/[^/]+\/(qemu|lxc)\/[^/]+\/remote_migrate$/,
    why: 'guests are not sent to other clusters through this gateway',
  },
  {
    path: /^\/nodes\/[^/]+\/qemu\/[^/]+\/agent\/exec(-status)?$/,
    why: 'commands in a guest are for proxmox_vm_exec, which bounds them and reads what they print',
  },
  {
    path: /^\/nodes\/[^/]+\/qemu\/[^/]+\/agent\/file-(read|write)$/,
    why: 'files in a guest are for proxmox_vm_read_file and proxmox_vm_write_file, which know ALLOWED_PATHS',
  },
  {
    path: /^\/nodes\/[^/]+\/storage\/[^/]+\/download-url$/,
    why: 'downloads are for proxmox_download_to_storage, which knows DOWNLOAD_URLS',
  },
  {
    path: /^\/nodes\/[^/]+\/(query-url-metadata|query-oci-repo-tags|scan\/(cifs|nfs|iscsi|pbs|glusterfs)|storage\/[^/]+\/oci-registry-pull)$/,
    why: 'it makes the node connect to an address of the caller',
  },
  {
    path: /^\/cluster\/(acme|config\/join)(\/|$)|^\/nodes\/[^/]+\/certificates\/(acme|custom)(\/|$)/,
    why: 'certificates, keys and the membership of the cluster are not handled through this gateway',
  },
  {
    path: /^\/nodes\/[^/]+\/qemu\/[^/]+\/cloudinit\/dump$/,
    why: 'what cloud-init hands to a guest holds its password',
  },
  {
    path: /^\/cluster\/sdn\/(dns|ipams)(\/[^/]+)?$/,
    why: 'it holds the keys of other services',
  },
  {
    path: /^\/nodes\/[^/]+\/storage\/[^/]+\/(upload|file-restore\/download)$/,
    why: 'whole files are not moved by calls of the API',
  },
];

/**
 * SECURITY: where anything is changed; what else there is, now or in a later Proxmox VE, is closed to changes:
 * network, firewall, disks, packages, time, certificates and mappings of the host, where metrics and messages are sent,
 * how users are synchronised.
 */
const writable: readonly RegExp[] = [
  /^\/nodes\/[^/]+\/(qemu|lxc)(\/|$)/,
  /^\/nodes\/[^/]+\/storage\/[^/]+\/(content|prunebackups)(\/|$)/,
  /^\/nodes\/[^/]+\/(vzdump|startall|stopall|suspendall|migrateall|status|wakeonlan|aplinfo|config)$/,
  /^\/nodes\/[^/]+\/tasks\/[^/]+$/,
  /^\/nodes\/[^/]+\/(services|replication)\//,
  /^\/nodes\/[^/]+\/ceph\/(start|stop|restart|osd\/[^/]+\/(in|out|scrub))$/,
  /^\/pools(\/|$)/,
  /^\/storage\/[^/]+$/,
  /^\/cluster\/(backup|bulk-action|ceph\/flags|ha|replication)(\/|$)/,
  /^\/cluster\/notifications\/(matchers|targets)(\/|$)/,
  /^\/cluster\/options$/,
  /^\/cluster\/qemu\/custom-cpu-models(\/|$)/,
];

interface ClosedParameters extends Closed {
  readonly names: RegExp;
}

const closedParameters: readonly ClosedParameters[] = [
  { path: /^/, names: /^(args|hookscript|skiplock|lxc\..*)$/, why: 'reaches from the guest into the host' },
  {
    path: /\/qemu\/[^/]+\/(status\/|migrate)/,
    names: /^(stateuri|migratedfrom|force-cpu|nets-host-mtu|migration_type)$/,
    why: 'is only for Proxmox VE itself',
  },
  {
    path: /^(\/nodes\/[^/]+\/vzdump|\/cluster\/backup(\/[^/]+)?)$/,
    names: /^(script|dumpdir|tmpdir|stdout|mailto)$/,
    why: 'runs, writes or sends something outside the storages',
  },
  {
    path: /^\/cluster\/options$/,
    names: /^(http_proxy|email_from|notify|u2f|webauthn|user-tag-access|migration|migration_unsecure)$/,
    why: 'changes who gets in or where the cluster sends its data',
  },
  { path: /^\/nodes\/[^/]+\/config$/, names: /^acme/, why: 'changes the certificate of the node' },
  {
    path: /^\/storage\//,
    names: /^(?!(content|nodes|disable|digest|bwlimit|prune-backups|max-protected-backups)$)/,
    why: 'changes where a storage keeps its data',
  },
  { path: /^\/nodes\/[^/]+\/tasks\//, names: /^download$/, why: 'asks for a file instead of data' },
];

const guestOptions = /^\/nodes\/[^/]+\/(qemu|lxc)(\/[^/]+\/(config|status\/[^/]+))?$/;

/** Why an endpoint is closed whatever the parameters; its variables may be filled in or not. As apiRefusal. */
export function closedEndpoint({ method, path }: Pick<ApiCall, 'method' | 'path'>): string | undefined {
  const shut = closed.find((rule) => rule.path.test(path));
  if (shut !== undefined) return shut.why;
  if (method === 'GET' || writable.some((area) => area.test(path))) return undefined;
  return `${path} belongs to what this gateway only reads: the host itself, and how it is reached`;
}

/** Why the call is never carried out, completing «policy does not allow the call: …»; undefined where it may be. */
export function apiRefusal(call: ApiCall): string | undefined {
  const { method, path, params } = call;
  const shut = closedEndpoint(call);
  if (shut !== undefined) return shut;
  for (const [name, value] of Object.entries(params)) {
    const rule = closedParameters.find((each) => each.path.test(path) && each.names.test(name));
    if (rule !== undefined) return `${name} ${rule.why}`;
    const unset = /^(delete|revert)$/.test(name)
      ? namesIn(value).find((each) => isKept(path, each))
      : undefined;
    if (unset !== undefined) return `${unset} is neither set nor taken out through this gateway`;
    const problem = method !== 'GET' && guestOptions.test(path) ? guestOptionProblem(name, value) : undefined;
    if (problem !== undefined) return problem;
  }
  return method === 'POST' && /^\/nodes\/[^/]+\/lxc$/.test(path) ? privilege(params) : undefined;
}

/** Taking out what reaches from a guest into the host is as good as never having set it. */
function isKept(path: string, name: string): boolean {
  return closedParameters.some(
    (rule) => rule.path.source !== '^' && rule.path.test(path) && rule.names.test(name),
  );
}

function namesIn(value: unknown): readonly string[] {
  return String(value).split(/[,;\s\0]+/);
}

/** Proxmox VE makes privileged containers unless it is told otherwise; of an archive it keeps what it was. */
function privilege({ unprivileged, restore }: ApiCall['params']): string | undefined {
  if (isSet(unprivileged) || (unprivileged === undefined && isSet(restore))) return undefined;
  return "without unprivileged=1, root in the container is the host's root";
}

function isSet(value: unknown): boolean {
  return /^(1|on|yes|true)$/i.test(String(value));
}

function isUnset(value: unknown): boolean {
  return /^(0|off|no|false)$/i.test(String(value));
}

interface Judged {
  readonly method?: ApiCall['method'];
  readonly path: RegExp;
  readonly when?: (params: ApiCall['params']) => boolean;
  readonly effect: Effect;
}

const guest = '/nodes/[^/]+/(qemu|lxc)/[^/]+';

/** The first that fits decides; DELETE destroys and everything else disrupts where none does. */
const judged: readonly Judged[] = [
  { method: 'DELETE', path: /^\/nodes\/[^/]+\/tasks\//, effect: 'disrupt' },
  { method: 'DELETE', path: /^/, effect: 'destroy' },
  { path: /\/(rollback|template)$/, effect: 'destroy' },
  { path: /^\/nodes\/[^/]+\/(status|services\/[^/]+\/stop)$/, effect: 'destroy' },
  {
    path: /^\/nodes\/[^/]+\/(qemu|lxc)$/,
    when: ({ archive, restore, force, ostemplate }) =>
      archive !== undefined || isSet(restore) || isSet(force) || /vzdump|:backup\//.test(String(ostemplate)),
    effect: 'destroy',
  },
  // Of an unused disk the volume itself is removed, with or without force.
  {
    path: new RegExp(`^${guest}/unlink$`),
    when: ({ force, idlist }) => isSet(force) || /unused/.test(String(idlist)),
    effect: 'destroy',
  },
  {
    path: /\/vzdump$|^\/cluster\/backup(\/|$)|^\/storage\//,
    when: (params) => params['prune-backups'] !== undefined || params.maxfiles !== undefined,
    effect: 'destroy',
  },
  // Proxmox VE removes older backups, as the storage says, unless it is told not to.
  { path: /\/vzdump$/, when: ({ remove }) => !isUnset(remove), effect: 'destroy' },
  { method: 'POST', path: /^\/cluster\/backup$/, when: ({ remove }) => !isUnset(remove), effect: 'destroy' },
  { path: /^\/cluster\/backup\//, when: ({ remove }) => isSet(remove), effect: 'destroy' },
  {
    path: /^\/cluster\/replication(\/|$)/,
    when: (params) => params.remove_job !== undefined,
    effect: 'destroy',
  },
  {
    path: /\/vzdump$/,
    when: ({ mode, stop }) => isSet(stop) || /stop|suspend/.test(String(mode)),
    effect: 'disrupt',
  },
  { path: /\/vzdump$/, effect: 'change' },
  { path: /^\/nodes\/[^/]+\/(qemu|lxc|startall|wakeonlan|aplinfo|config)$/, effect: 'change' },
  { path: new RegExp(`^${guest}/config$`), when: (params) => params.delete === undefined, effect: 'change' },
  { path: new RegExp(`^${guest}/(status/(start|resume)|snapshot|snapshot/[^/]+/config)$`), effect: 'change' },
  {
    path: new RegExp(`^${guest}/(clone|resize|cloudinit|agent/(ping|fsfreeze-(status|thaw)))$`),
    effect: 'change',
  },
  {
    path: /\/storage\/[^/]+\/content(\/|$)|\/schedule_now$|\/guest\/start$|^\/pools(\/|$)/,
    effect: 'change',
  },
  { path: /^\/cluster\/(backup|replication|options|qemu)(\/|$)/, effect: 'change' },
];

/** SECURITY: the method and the path alone make it worse than a reading; no parameter makes it milder. */
export function apiEffect({ method, path, params }: ApiCall): Effect {
  if (method === 'GET') return 'read';
  const rule = judged.find(
    (each) => (each.method ?? method) === method && each.path.test(path) && (each.when?.(params) ?? true),
  );
  return rule?.effect ?? 'disrupt';
}
