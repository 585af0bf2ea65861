/** The groups in which tools are switched on and off. */
export const toolsets = ['containers', 'host'] as const;
export type Toolset = (typeof toolsets)[number];
