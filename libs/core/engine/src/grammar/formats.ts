/**
 * Formats that can be enforced, as patterns over the whole string. Each takes a subset of what the format allows, so
 * that any validator agrees: no 29th of February, no leap second, plain addresses.
 */
const month30 = '(0[469]|11)-(0[1-9]|[12][0-9]|30)';
const month31 = '(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])';
const date = `[0-9]{4}-(${month31}|${month30}|02-(0[1-9]|1[0-9]|2[0-8]))`;
const time = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])';
const label = '[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?';
const byte = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';

const part = '[A-Za-z0-9._~-]{0,60}';
const host = `${label}(\\.${label}){0,4}(:[1-9][0-9]{1,3})?`;
const uri = `https?://${host}(/${part}){0,8}(\\?[a-z0-9=&._-]{0,120})?(#${part})?`;
const timeSpan = 'T([0-9]{1,3}H([0-9]{1,2}M)?([0-9]{1,2}S)?|[0-9]{1,3}M([0-9]{1,2}S)?|[0-9]{1,5}S)';

export const formatPatterns: ReadonlyMap<string, string> = new Map([
  ['date', `^${date}$`],
  ['time', `^${time}$`],
  ['date-time', `^${date}T${time}$`],
  ['uuid', '^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'],
  ['uri', `^${uri}$`],
  ['uri-reference', `^${uri}$`],
  ['duration', `^P([0-9]{1,4}D(${timeSpan})?|[0-9]{1,3}W|${timeSpan})$`],
  ['ipv6', '^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}$'],
  ['ipv4', `^${byte}(\\.${byte}){3}$`],
  ['hostname', `^${label}(\\.${label}){0,4}$`],
  ['email', `^[A-Za-z0-9]+([._+-][A-Za-z0-9]+){0,4}@${label}(\\.${label}){0,3}\\.[a-z]{2,10}$`],
]);

/** Formats that ask nothing of the text. */
export const freeFormats: ReadonlySet<string> = new Set(['password', 'binary']);

/** Formats of numbers: whole ones have bounds; a double holds all numbers of the other two. */
export const numberFormats: ReadonlyMap<string, { readonly least?: number; readonly most?: number }> = new Map([
  ['int32', { least: -(2 ** 31), most: 2 ** 31 - 1 }],
  ['int64', { least: -(2 ** 53), most: 2 ** 53 }],
  ['float', {}],
  ['double', {}],
]);
