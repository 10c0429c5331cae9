import { CertificatesConfig } from '@tercet/certificates';
import { EventsConfig } from '@tercet/event-logs';
import { MetricsConfig } from '@tercet/telemetry';
import { z } from 'zod';
import { groupLimits, ms, perStageMs } from '../limits.js';

/** The controller of a cluster: of every `ServingPool` of a namespace, while it leads. */
export const ClusterConfig = z
  .strictObject({
    cluster: z.literal('kubernetes'),
    namespace: z.string().min(1).max(63),
    /** Without it, the account of the pod that this process runs in. */
    kubeconfig: z.string().exactOptional(),
    /** Who this is among the controllers that stand by: the name of its pod. */
    identity: z.string().min(1).max(253),
    leaseName: z.string().min(1).max(253).default('tercet-controller'),
    /** The lease ends so long after its holder was last heard of. */
    leaseMs: z.int().min(1000).default(6000),
    /** Where gateways tell what there is to do, and ask how the pools stand: `host:port`. */
    grpcEndpoint: z.string().min(1),
    /** Where `GET /metrics` is answered; absent, nobody is. */
    metrics: MetricsConfig.exactOptional(),
    /** Port of the stage processes in every pod. */
    workerPort: z.int().min(1).max(65535).default(7070),
    /** Mutual TLS with the stage processes. */
    tls: CertificatesConfig.extend({
      /** Names of those who may call: gateways. Absent: every peer with a certificate. */
      callers: z.array(z.string().min(1)).min(1).exactOptional(),
    }).exactOptional(),
    /** Where pods and gateways report what they do; without it nothing is proposed. */
    events: EventsConfig,
    passMs: ms(2000, 100),
    switchMs: perStageMs(1000),
    group: groupLimits,
  })
  .readonly();

export type ClusterConfig = z.infer<typeof ClusterConfig>;
