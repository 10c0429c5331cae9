/** Path of the library for this machine, built or not. */
export const libraryPath: string;
export function buildKernels(options?: { quiet?: boolean }): Promise<'built' | 'fresh' | 'no-compiler' | 'failed'>;
