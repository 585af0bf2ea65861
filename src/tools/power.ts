/** Switching containers on and off. */
import { z } from 'zod';
import { defineTool } from './define.ts';
import { Vmid } from './params.ts';

const PowerResult = z.object({ success: z.literal(true), message: z.string(), vmid: z.number() });
const GuestTimeoutS = z.int().min(1).max(300).default(60);

const family = {
  toolset: 'containers',
  target: 'container',
  needs: 'either',
  everyday: true,
  output: PowerResult,
} as const;

function message(result: z.output<typeof PowerResult>): string {
  return result.message;
}

export const powerTools = [
  defineTool({
    ...family,
    name: 'proxmox_start_container',
    title: 'Start container',
    about: 'Starts one container. Starting a running one succeeds and says so.',
    effect: 'change',
    idempotent: true,
    input: z.strictObject({ vmid: Vmid }),
    run: ({ vmid }, { ops, signal }) => ops.power.start(vmid, signal),
    show: message,
  }),
  defineTool({
    ...family,
    name: 'proxmox_stop_container',
    title: 'Stop container',
    about: 'Cuts the power of one container at once. proxmox_shutdown_container asks the guest first.',
    effect: 'disrupt',
    idempotent: true,
    input: z.strictObject({ vmid: Vmid }),
    run: ({ vmid }, { ops, signal }) => ops.power.stop(vmid, signal),
    show: message,
  }),
  defineTool({
    ...family,
    name: 'proxmox_shutdown_container',
    title: 'Shut down container',
    about: 'Asks one container to shut down and waits. With force, it is stopped when the time is up.',
    effect: 'disrupt',
    idempotent: true,
    input: z.strictObject({
      vmid: Vmid,
      timeout: GuestTimeoutS.meta({ description: 'Seconds the guest may take' }),
      force: z.boolean().default(false).meta({ description: 'Stop it when the time is up' }),
    }),
    run: ({ vmid, timeout, force }, { ops, signal }) =>
      ops.power.shutdown({ vmid, timeoutS: timeout, force }, signal),
    show: message,
  }),
  defineTool({
    ...family,
    name: 'proxmox_reboot_container',
    title: 'Reboot container',
    about: 'Reboots one running container and waits until it runs again.',
    effect: 'disrupt',
    input: z.strictObject({
      vmid: Vmid,
      timeout: GuestTimeoutS.meta({ description: 'Seconds the guest may take to go down' }),
    }),
    run: ({ vmid, timeout }, { ops, signal }) => ops.power.reboot({ vmid, timeoutS: timeout }, signal),
    show: message,
  }),
];
