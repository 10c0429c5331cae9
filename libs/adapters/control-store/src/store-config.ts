import { z } from 'zod';

const PostgresConfig = z.strictObject({
  kind: z.literal('postgres'),
  /** A name, or the folder of a Unix socket. */
  host: z.string().min(1),
  port: z.int().min(1).max(65535).default(5432),
  database: z.string().min(1),
  user: z.string().min(1),
  password: z.string().exactOptional(),
  /** Absent: no TLS. The server's certificate is checked, against this authority (PEM) where one is given. */
  tls: z.strictObject({ caPath: z.string().exactOptional() }).exactOptional(),
  connectionsMax: z.int().min(2).default(10),
});

/**
 * Where control state lives: a file of this machine, or a PostgreSQL that all gateways share.
 * @param defaultPath of the file
 */
export function storeConfig(defaultPath: string) {
  const SqliteConfig = z.strictObject({
    kind: z.literal('sqlite'),
    path: z.string().min(1).default(defaultPath),
  });
  return z.discriminatedUnion('kind', [SqliteConfig, PostgresConfig]).prefault({ kind: 'sqlite' });
}

export type StoreConfig = z.infer<ReturnType<typeof storeConfig>>;
