import { openCertificates } from '@tercet/certificates';
import { maskSecrets, untilStopped } from '@tercet/config';
import { openEventLog } from '@tercet/event-logs';
import { GrpcServer } from '@tercet/grpc';
import { KubernetesApi, LeaderElection } from '@tercet/kubernetes';
import { MetricsServer, observeEventLog, openLog, ServiceMetrics, systemClock } from '@tercet/telemetry';
import { DemandBook } from '../demand-book.js';
import { controllerService } from '../rpc.js';
import { SimulationThread } from '../simulation/simulation-thread.js';
import type { ClusterConfig } from './config.js';
import { PoolFleet } from './pool-fleet.js';

/** The life of a controller in a cluster: it stands by, leads while it holds the lease, and gives it up in the end. */
export async function runInCluster(config: ClusterConfig): Promise<void> {
  const { namespace, kubeconfig, identity, leaseName, leaseMs, grpcEndpoint } = config;
  const log = openLog({ service: 'controller', identity, pid: process.pid });
  const api = KubernetesApi.open({ namespace, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  const metrics = new ServiceMetrics('controller');
  const writer = { producer: identity, clock: systemClock, observe: observeEventLog(metrics) };
  const events = await openEventLog(config.events, writer);
  await using simulation = new SimulationThread((error) => {
    log.error('controller.simulation_crashed', { error });
    process.exit(1);
  });
  using certificates = openCertificates(config.tls, (error) => log.error('certificates.not_renewed', { error }));
  const tls = certificates && { ...config.tls, certificates };
  const demand = new DemandBook(systemClock);
  const fleet = new PoolFleet({ api, config, events, metrics, simulation, tls, demand, log });
  const election = new LeaderElection({
    api,
    name: leaseName,
    identity,
    durationMs: leaseMs,
    clock: systemClock,
    onFailure: (error) => log.error('lease.not_held', { error }),
  });
  const pools = () => fleet.statuses;
  const service = controllerService({ pools, move: (wish) => fleet.move(wish), demand });
  await using _server = await GrpcServer.open(grpcEndpoint, [service], { tls, peers: config.tls?.callers });
  await using _metricsServer = config.metrics && (await MetricsServer.open(config.metrics, metrics));
  const stop = new AbortController();
  const leading = election.run((term, signal) => fleet.lead(term, signal), stop.signal);
  log.info('controller.ready', { config: maskSecrets(config) });
  log.info('controller.stopping', { reason: await untilStopped() });
  stop.abort();
  await leading;
  await events?.[Symbol.asyncDispose]();
  log.info('controller.stopped');
}
