/** Which guests a task of Proxmox VE is about, as far as its UPID tells. */

/** Besides a bare id there are `112@local`, `100-0`, `vm:100`, names of disks, and what a disk is moved to. */
const named =
  /(?:^|[>,])(\d{3,9})(?![\w.])|(?<![a-z\d])(?:vm|ct|base|basevol|subvol|lxc|qemu)[-:/](\d{3,9})(?!\w)/g;

/** Ids of guests; `every` where the task deals with several guests, whose names stand in its log alone. */
export function guestsOfUpid(upid: string): readonly number[] | 'every' {
  const [, , , , , type = '', escaped = ''] = upid.split(':');
  if (escaped === '' && /^(vz|qm|bulk|startall|stopall|suspendall|migrateall)/.test(type)) return 'every';
  const id = escaped.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return [...new Set([...id.matchAll(named)].map(([, bare, owner]) => Number(bare ?? owner)))];
}
