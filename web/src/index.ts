/** Folder of the page: plain files, served as they are. */
export const webRoot = new URL('../public/', import.meta.url);
