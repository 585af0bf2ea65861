/** The groups in which tools are switched on and off. */
export const toolsets = ['containers', 'files', 'host'] as const;
export type Toolset = (typeof toolsets)[number];
