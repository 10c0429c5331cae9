import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { TercetError } from '@tercet/contracts';

/**
 * Where a gRPC server is: `unix:/path/of.sock` or `host:port`.
 * @returns the name under which grpc-js resolves it
 * @throws config_invalid
 */
export function targetOf(endpoint: string): string {
  if (endpoint.startsWith('unix:/')) return `unix://${endpoint.slice('unix:'.length)}`;
  if (/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(endpoint)) return endpoint;
  throw new TercetError('config_invalid', { endpoint, expected: 'unix:/path or host:port' });
}

// Its failures reach us as errors; what it prints beside them would stand twice.
setLogVerbosity(logVerbosity.NONE);

/** Limits of every connection, both sides. The window lets one large stream fill a fast link. */
export const channelLimits = {
  'grpc-node.flow_control_window': 16 * 1024 * 1024,
  'grpc-node.max_session_memory': Number.MAX_SAFE_INTEGER,
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': 64 * 1024 * 1024,
} as const;
