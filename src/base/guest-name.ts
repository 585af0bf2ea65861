/** What a guest is called in sentences. */

type Kind = 'container' | 'vm';

interface Guest {
  readonly vmid: number;
  readonly kind: Kind;
}

export function nounOf(kind: Kind): 'virtual machine' | 'container' {
  return kind === 'vm' ? 'virtual machine' : 'container';
}

/** «virtual machine 300», for the messages of errors. SECURITY: those hold nothing that a guest chose itself. */
export function nameOf({ kind, vmid }: Guest): string {
  return `${nounOf(kind)} ${vmid}`;
}

/** «virtual machine 300 (web)», for results. A name that is none of DNS is left out. */
export function fullNameOf(guest: Guest & { readonly name?: string | undefined }): string {
  const { name = '' } = guest;
  return /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(name) ? `${nameOf(guest)} (${name})` : nameOf(guest);
}

/** The same at the beginning of a sentence. */
export function subjectOf(guest: Parameters<typeof fullNameOf>[0]): string {
  const name = fullNameOf(guest);
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}
