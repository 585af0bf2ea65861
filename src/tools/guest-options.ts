/** What the arguments for a guest's options mean in Proxmox VE's own terms, and which of them policy refuses. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import type { GuestOptions } from '../ops/provisioning.ts';
import { guestOptionProblem, guestsInOption } from '../policy/guest-options.ts';
import { Description } from './params.ts';

const maxOptions = 40;

/** Its form goes not to clients, where every character costs: they read the words when it does not fit. */
function shaped(maxChars: number, form: RegExp, words: string) {
  return z.string().refine((text) => text.length <= maxChars && form.test(text), words);
}

const OptionValue = z.unknown().transform((value, context): string | number | boolean => {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string' && value.length <= 16_384) return value;
  context.addIssue('must be text of at most 16384 characters, a number or a flag');
  return z.NEVER;
});

const OptionRecord = z
  .record(z.string(), OptionValue)
  .refine((options) => Object.keys(options).length <= maxOptions, `must be at most ${maxOptions} options`)
  .meta({ description: 'Further options under their Proxmox VE names' });

/** A record leaves this one name out without a word. */
const Options = z.preprocess((value, context) => {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
    context.addIssue('must not hold __proto__');
  return value;
}, OptionRecord);

export const Bridge = shaped(15, /^[A-Za-z][A-Za-z0-9_.-]*$/, 'must be the name of a bridge');
export const Vlan = z.int().min(1).max(4094);
/** Of one line each, as in authorized_keys. */
export const SshKeys = z
  .array(shaped(8192, /^[a-z][\w@.-]* [\w+/=]+( [^\p{Cc}]*)?$/u, 'must be a public key in one line'))
  .max(20);
export const Address = shaped(
  18,
  /^(dhcp|manual|\d{1,3}(\.\d{1,3}){3}\/\d{1,2})$/,
  'must be dhcp or an IPv4 address with its prefix',
).meta({ description: 'dhcp, or IPv4 address/prefix' });
export const Gateway = shaped(15, /^\d{1,3}(\.\d{1,3}){3}$/, 'must be an IPv4 address');
export const Password = z.string().min(5).max(128);
export const DiskGib = z.int().min(1).max(131_072);
/** A host name; the names of guests are such. */
export const GuestLabel = shaped(253, /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'must be a host name');
/** Of options that a guest has and shall not have any more. */
export const OptionNames = z
  .array(shaped(40, /^[a-z][a-z0-9_-]*$/, 'must be the name of an option'))
  .max(maxOptions);

const Tag = shaped(64, /^[A-Za-z0-9_][\w+.-]*$/, 'must be letters, digits, _ + . -');

/** What guests of either kind have. */
export const commonFields = {
  cores: z.int().min(1).max(8192).optional(),
  memory_mib: z.int().min(16).max(16_777_216).optional(),
  description: Description.optional(),
  tags: z.array(Tag).max(32).optional(),
  onboot: z.boolean().optional(),
  options: Options.optional(),
} as const;

type CommonArguments = {
  readonly [Field in keyof typeof commonFields]?: z.output<(typeof commonFields)[Field]>;
};

export function commonOptions({ cores, memory_mib, description, tags, onboot }: CommonArguments) {
  return { cores, memory: memory_mib, description, tags: tags?.join(';'), onboot };
}

/** Options that these tools never pass on, because they make another call of it. */
const structural = new Set(['vmid', 'node', 'archive', 'restore', 'delete', 'revert', 'template']);

/**
 * `named` without what is not given, then `further`, over `defaults`. Throws INVALID_ARGUMENT for one that is
 * given twice, or that is no option of a guest.
 */
export function merged(parts: {
  defaults?: GuestOptions;
  named: GuestOptions;
  further: GuestOptions | undefined;
}): GuestOptions {
  const { defaults = {}, further = {} } = parts;
  const named = Object.fromEntries(Object.entries(parts.named).filter(([, value]) => value !== undefined));
  for (const key of Object.keys(further)) {
    if (structural.has(key))
      throw failure('INVALID_ARGUMENT', { problem: `options.${key}: is not an option of a guest` });
    if (Object.hasOwn(named, key))
      throw failure('INVALID_ARGUMENT', { problem: `options.${key}: another argument sets it already` });
  }
  return { ...defaults, ...named, ...further };
}

/** Of a call that changes a guest. Throws INVALID_ARGUMENT, also where there is nothing to do. */
export function changesOf(
  named: GuestOptions,
  { options: further, remove }: { options?: GuestOptions | undefined; remove: readonly string[] },
): GuestOptions {
  const options = merged({ named, further });
  if (Object.keys(options).length === 0 && remove.length === 0)
    throw failure('INVALID_ARGUMENT', { problem: 'arguments: there is nothing to change' });
  return options;
}

/** The options of an only network device; a default where no argument asks for one. */
export function networkOf(
  net0: string,
  asked: readonly unknown[],
): Record<'named' | 'defaults', GuestOptions> {
  const wanted = asked.some((each) => each !== undefined);
  return wanted ? { named: { net0 }, defaults: {} } : { named: {}, defaults: { net0 } };
}

/** Words for policy on the first option that no caller may set. */
export function optionProblem(options: GuestOptions): string | undefined {
  return Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => guestOptionProblem(key, value))
    .find((problem) => problem !== undefined);
}

/** Ids of guests whose disks the options name. */
export function optionGuests(options: GuestOptions): readonly number[] {
  return Object.entries(options).flatMap(([key, value]) => guestsInOption(key, value));
}
