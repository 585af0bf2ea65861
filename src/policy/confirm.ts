/** What a person agrees to: one call of one caller, with exactly these arguments, on exactly this guest. */
import { createHash } from 'node:crypto';
import type { LocatedGuest, Principal } from './rules.ts';

/** A call that cannot be undone, as it would be carried out. */
export interface Deed {
  readonly principal: Principal;
  readonly tool: string;
  /** As the tool would get them: checked, with defaults, with the id in the place of a name. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly guest: LocatedGuest | undefined;
  /** Further guests that the arguments name, as far as they exist. */
  readonly others: readonly LocatedGuest[];
}

/** What an approval is bound to: short, and another for every other deed. */
export interface Binding {
  readonly principal: string;
  readonly tool: string;
  /** SHA-256 of the arguments, in whatever order they came. */
  readonly args: string;
  /** SHA-256 of the guests, each with its kind, node and name. */
  readonly guests: string;
}

export function bindingOf({ principal, tool, args, guest, others }: Deed): Binding {
  const guests = [guest, ...others].map((each) => each && [each.vmid, each.kind, each.node, each.name]);
  return {
    principal: principal.name,
    tool,
    args: hashOf(canonical(args)),
    guests: hashOf(JSON.stringify(guests)),
  };
}

/** Why what was agreed to is not what is about to be done, or undefined. */
export function misfit(agreed: Binding, now: Binding): string | undefined {
  if (agreed.principal !== now.principal) return 'it was given to another caller';
  if (agreed.tool !== now.tool) return 'it was given for another tool';
  if (agreed.args !== now.args) return 'it was given for other arguments';
  if (agreed.guests !== now.guests) return 'the guest has been moved, renamed or replaced since';
  return undefined;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** JSON with the keys of every object in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([one], [other]) => (one < other ? -1 : 1)))
      : item,
  );
}
