/** Switching virtual machines on and off. */
import { z } from 'zod';
import { defineTool } from './define.ts';
import { GuestResult, guestResult } from './guest-result.ts';
import { Vmid } from './params.ts';
import { showTask, taskWait, WaitSeconds } from './task-result.ts';

const GuestTimeoutS = z
  .int()
  .min(1)
  .max(3600)
  .default(60)
  .meta({ description: 'Seconds the guest may take' });
const Guest = z.strictObject({ vmid: Vmid, wait_seconds: WaitSeconds });

const family = {
  toolset: 'vms',
  target: 'vm',
  needs: 'api',
  output: GuestResult,
  show: showTask,
} as const;

export const vmPowerTools = [
  defineTool({
    ...family,
    name: 'proxmox_start_vm',
    title: 'Start VM',
    about: 'Starts one virtual machine. Starting a running one succeeds and says so.',
    effect: 'change',
    everyday: true,
    idempotent: true,
    input: Guest,
    run: async ({ vmid, wait_seconds }, context) =>
      guestResult(vmid, await context.ops.vms.start(vmid, taskWait(wait_seconds, context))),
  }),
  defineTool({
    ...family,
    name: 'proxmox_shutdown_vm',
    title: 'Shut down VM',
    about: 'Asks one virtual machine to shut down and waits. With force, it is stopped when the time is up.',
    effect: 'disrupt',
    everyday: true,
    idempotent: true,
    input: z.strictObject({
      vmid: Vmid,
      timeout: GuestTimeoutS,
      force: z.boolean().default(false),
      wait_seconds: WaitSeconds,
    }),
    run: async ({ vmid, timeout: timeoutS, force, wait_seconds }, context) =>
      guestResult(
        vmid,
        await context.ops.vms.shutdown({ vmid, timeoutS, force }, taskWait(wait_seconds, context)),
      ),
  }),
  defineTool({
    ...family,
    name: 'proxmox_stop_vm',
    title: 'Stop VM',
    about: 'Cuts the power of one virtual machine at once. proxmox_shutdown_vm asks the guest first.',
    effect: 'disrupt',
    everyday: true,
    idempotent: true,
    input: Guest,
    run: async ({ vmid, wait_seconds }, context) =>
      guestResult(vmid, await context.ops.vms.stop(vmid, taskWait(wait_seconds, context))),
  }),
  defineTool({
    ...family,
    name: 'proxmox_reboot_vm',
    title: 'Reboot VM',
    about: 'Shuts one virtual machine down and starts it again; pending changes apply.',
    effect: 'disrupt',
    everyday: true,
    input: z.strictObject({
      vmid: Vmid,
      timeout: GuestTimeoutS,
      wait_seconds: WaitSeconds,
    }),
    run: async ({ vmid, timeout: timeoutS, wait_seconds }, context) =>
      guestResult(vmid, await context.ops.vms.reboot({ vmid, timeoutS }, taskWait(wait_seconds, context))),
  }),
  defineTool({
    ...family,
    name: 'proxmox_reset_vm',
    title: 'Reset VM',
    about: 'Resets one virtual machine at once, like the button. proxmox_reboot_vm asks the guest first.',
    effect: 'disrupt',
    input: Guest,
    run: async ({ vmid, wait_seconds }, context) =>
      guestResult(vmid, await context.ops.vms.reset(vmid, taskWait(wait_seconds, context))),
  }),
  defineTool({
    ...family,
    name: 'proxmox_suspend_vm',
    title: 'Suspend VM',
    about: 'Pauses one running virtual machine, or with to_disk saves its memory and switches it off.',
    effect: 'disrupt',
    idempotent: true,
    input: z.strictObject({
      vmid: Vmid,
      to_disk: z.boolean().default(false),
      wait_seconds: WaitSeconds,
    }),
    run: async ({ vmid, to_disk: toDisk, wait_seconds }, context) =>
      guestResult(vmid, await context.ops.vms.suspend({ vmid, toDisk }, taskWait(wait_seconds, context))),
  }),
  defineTool({
    ...family,
    name: 'proxmox_resume_vm',
    title: 'Resume VM',
    about: 'Lets one paused or suspended virtual machine go on.',
    effect: 'change',
    idempotent: true,
    input: Guest,
    run: async ({ vmid, wait_seconds }, context) =>
      guestResult(vmid, await context.ops.vms.resume(vmid, taskWait(wait_seconds, context))),
  }),
];
