/** Calls that fit what an endpoint says of itself, made without the code that checks them. */
import assert from 'node:assert/strict';
import type { Endpoint, EndpointParameter } from '../../../src/ops/api.ts';

/** Values of which one fits each pattern of the description. */
const candidates = [
  ...['abc', 'ab', '100-0', '10G', '1', 'a=b', '/dev/sda', 'http://a.example', 'https://a.example', 'a:b'],
  ...['aB:'.repeat(31).concat('00'), 'pve1c-0123456789', 'docker.io/a/b:c', 'scsi0', '10:00', '2026-01-01'],
  ...[
    '2026-01-01 10:00',
    'acl',
    '00:00.0',
    '00000000-0000-0000-0000-000000000000',
    'root@pam',
    'local',
    'none',
  ],
  ...['/var/tmp/pveupload-0123', '+1G', '49.0001.0001.0001.00', 'net0=1', 'ceph'],
];

const byFormat: Readonly<Record<string, string>> = {
  ...{ 'pve-node': 'pve1', 'pve-node-list': 'pve1', 'pve-vmid-list': '300', 'pve-storage-id': 'local' },
  ...{
    ip: '10.0.0.1',
    ipv4: '10.0.0.1',
    ipv6: 'fd00::1',
    CIDR: '10.0.0.0/8',
    CIDRv4: '10.0.0.0/8',
    CIDRv6: 'fd00::/8',
  },
};

/** A value that fits, made without the code that checks it. */
function sample({
  name,
  type,
  choices,
  format,
  pattern,
  minimum,
  minLength = 1,
}: EndpointParameter): string | number {
  if (choices?.[0] !== undefined) return choices[0];
  if (type === 'integer' || type === 'number') return format === 'pve-vmid' ? 300 : (minimum ?? 1);
  if (type === 'boolean') return 1;
  if (format !== undefined && byFormat[format] !== undefined) return byFormat[format];
  if (pattern === undefined) return 'abc'.padEnd(minLength, 'x');
  const source = pattern.replace(/\(\?\^u?:/g, '(?:').replace(/\(\?\^i:/g, '(?i:');
  const whole = new RegExp(`^(?:${source})$`);
  const fitting = candidates.find((each) => each.length >= minLength && whole.test(each));
  return fitting ?? assert.fail(`no sample for ${name}: ${pattern}`);
}

/** A call of an endpoint with its own required parameters and nothing else. */
export function callOf(endpoint: Endpoint) {
  const { method, template, parameters } = endpoint;
  const path = template.replace(/\{([^}]*)\}/g, (_, name: string) => {
    const parameter = parameters.get(name);
    return String(parameter === undefined ? 'abc' : sample(parameter));
  });
  const required = [...parameters.values()].filter(
    (each) => each.required && !template.includes(`{${each.name}}`),
  );
  return { method, path, params: Object.fromEntries(required.map((each) => [each.name, sample(each)])) };
}
