import type { Page, PageQuery } from '@tercet/jobs';
import { numberOf, type Sql, textOf } from './sql.js';

/** Newest first, behind the object that the query names. */
export async function pageOf<Item>(
  sql: Sql,
  from: { table: 'files' | 'jobs'; where?: { column: string; value: string } | undefined },
  { tenant, after, limit }: PageQuery,
): Promise<Page<Item>> {
  const { table, where } = from;
  const values: (string | number)[] = [tenant, limit + 1];
  let condition = 'tenant = $1';
  if (where !== undefined) condition += ` AND ${where.column} = $${values.push(where.value)}`;
  if (after !== undefined) {
    const [last] = await sql.rows(`SELECT created_ms FROM ${table} WHERE id = $1`, [after]);
    if (last === undefined) return { items: [], hasMore: false };
    condition += ` AND (created_ms, id) < ($${values.push(numberOf(last, 'created_ms'))}, $${values.push(after)})`;
  }
  const select = `SELECT record FROM ${table} WHERE ${condition} ORDER BY created_ms DESC, id DESC LIMIT $2`;
  const found = await sql.rows(select, values);
  const items = found.slice(0, limit).map((row) => JSON.parse(textOf(row, 'record')) as Item);
  return { items, hasMore: found.length > limit };
}
