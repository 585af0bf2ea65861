/** A pretend Proxmox node: real sshd, real containers in namespaces, and stand-ins for the programs around them. */
import { chmodSync, mkdirSync, symlinkSync, unlinkSync } from 'node:fs';
import {
  type Container,
  confOf,
  confPath,
  type Guest,
  hereNode,
  members,
  nodeOf,
  standardGuests,
  vmlist,
} from './guests.ts';
import { type Sshd, type SshdOptions, startSshd } from './sshd.ts';
import { startWorld, type World } from './world.ts';

/** What the stand-ins can be told. A flag is set by any value. */
export type Knob =
  /** Waiting, and work of the processor, before pct does anything. */
  | 'pct-delay-ms'
  | 'pct-cpu-ms'
  /** Waiting of every lxc-attach, those by pct included. */
  | 'attach-delay-ms'
  /** No call of pct begins as long as it is set. */
  | 'pct-hangs'
  /** Waiting of push and pull before they open the file in the container, and behind each block of 64 KiB. */
  | 'copy-wait-ms'
  | 'copy-block-ms'
  /** What push and pull copy at most; nobody is told of the rest. */
  | 'copy-max-bytes'
  | 'start-fails'
  /** How long a container takes to end after it was asked to. */
  | 'shutdown-ms';

export interface NodeOptions extends Omit<SshdOptions, 'world'> {
  readonly guests?: readonly Guest[];
  /** Its namespaces, made before so that they could be given a network. */
  readonly world?: World;
}

export interface StandNode {
  readonly sshd: Sshd;
  readonly world: World;
  readonly guests: readonly Guest[];
  /** Sets a knob of the stand-ins; without a value takes it away. */
  turn(knob: Knob, value?: string | number): void;
  /** Puts a guest's file and .vmlist in the place of the former; what runs goes on running. */
  describe(guest: Guest): void;
  close(): Promise<void>;
}

/** Resolves when sshd listens and every running container is up. Throws where one is not. */
export async function startNode(options: NodeOptions = {}): Promise<StandNode> {
  const world = options.world ?? (await startWorld(options));
  const { hostname: here = hereNode } = options;
  try {
    let guests = options.guests ?? standardGuests;
    furnish(world, here, guests);
    const [sshd] = await Promise.all([
      startSshd({ ...options, world }),
      startContainers(world, here, guests),
    ]);
    return {
      sshd,
      world,
      get guests() {
        return guests;
      },
      turn(knob, value) {
        const path = `/run/knobs/${knob}`;
        if (value === undefined) unlinkSync(world.path(path));
        else world.write(path, `${value}\n`);
      },
      describe(guest) {
        guests = [...guests.filter(({ vmid }) => vmid !== guest.vmid), guest];
        world.write(confPath(guest), confOf(guest), 0o640);
        world.write('/etc/pve/.vmlist', vmlist(guests), 0o640);
      },
      async close() {
        await sshd.close();
        await world.close();
      },
    };
  } catch (error) {
    await world.close();
    throw error;
  }
}

function furnish(world: World, here: string, guests: readonly Guest[]): void {
  for (const node of new Set([here, ...guests.map(nodeOf)]))
    for (const kind of ['lxc', 'qemu-server'])
      mkdirSync(world.path(`/etc/pve/nodes/${node}/${kind}`), { recursive: true });
  chmodSync(world.path('/etc/pve'), 0o750);
  for (const guest of guests) world.write(confPath(guest), confOf(guest), 0o640);
  world.write('/etc/pve/.vmlist', vmlist(guests), 0o640);
  world.write('/etc/pve/.members', members(here), 0o640);
  const links = {
    local: `nodes/${here}`,
    lxc: `nodes/${here}/lxc`,
    'qemu-server': `nodes/${here}/qemu-server`,
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, world.path(`/etc/pve/${name}`));
  for (const guest of guests) {
    if (guest.kind === 'vm' && guest.running === true)
      world.write(`/run/qemu-server/${guest.vmid}.pid`, '1\n');
    if (guest.kind === 'container' && guest.rootfsSize !== undefined)
      world.write(`/run/knobs/rootfs-size-${guest.vmid}`, `${guest.rootfsSize}\n`);
  }
}

async function startContainers(world: World, here: string, guests: readonly Guest[]): Promise<void> {
  const running = guests.filter(
    (guest): guest is Container =>
      guest.kind === 'container' && guest.running === true && nodeOf(guest) === here,
  );
  if (running.length === 0) return;
  // A locked container cannot be started: the lock comes when it runs.
  const locked = running.filter(({ lock }) => lock !== undefined);
  for (const { lock, ...unlocked } of locked) world.write(confPath(unlocked), confOf(unlocked), 0o640);
  const line = running.map(({ vmid }) => `lxc-start -n ${vmid} || exit 1`).join('\n');
  const { code, stdout, stderr } = await world.run(line);
  if (code !== 0) throw new Error(`no containers: ${stdout}${stderr}`);
  for (const guest of locked) world.write(confPath(guest), confOf(guest), 0o640);
}
