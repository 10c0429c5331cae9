import { setTimeout as sleep } from 'node:timers/promises';
import {
  AppsV1Api,
  AutoscalingV2Api,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  createConfiguration,
  KubeConfig,
  ServerConfiguration,
} from '@kubernetes/client-node';
import { type ErrorDetails, TercetError, toTercetError } from '@tercet/contracts';
import { isPassing, toClusterError } from './errors.js';

export interface KubernetesOptions {
  /** Path of a kubeconfig; without it, the account of the pod that this process runs in. */
  readonly kubeconfig?: string;
  readonly namespace: string;
}

const requestTimeoutMs = 5000;
/** Tries of one call, and what lies between them: doubled each time. */
const triesMax = 4;
const backOffMs = { first: 100, most: 2000 };

/** The Kubernetes API as this process may use it, in one namespace. Every call has an end, and is tried a few times. */
export class KubernetesApi {
  readonly namespace: string;
  readonly config: KubeConfig;
  readonly apps: AppsV1Api;
  readonly autoscaling: AutoscalingV2Api;
  readonly core: CoreV1Api;
  readonly coordination: CoordinationV1Api;
  readonly custom: CustomObjectsApi;

  private constructor(config: KubeConfig, namespace: string) {
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new TercetError('config_invalid', { kubeconfig: 'names no cluster' });
    const configuration = createConfiguration({
      baseServer: new ServerConfiguration(cluster.server, {}),
      authMethods: { default: config },
      promiseMiddleware: [
        {
          pre: async (context) => {
            context.setSignal(AbortSignal.timeout(requestTimeoutMs));
            return context;
          },
          post: async (context) => context,
        },
      ],
    });
    this.config = config;
    this.namespace = namespace;
    this.apps = new AppsV1Api(configuration);
    this.autoscaling = new AutoscalingV2Api(configuration);
    this.core = new CoreV1Api(configuration);
    this.coordination = new CoordinationV1Api(configuration);
    this.custom = new CustomObjectsApi(configuration);
  }

  /** Calls nobody yet. @throws config_invalid */
  static open({ kubeconfig, namespace }: KubernetesOptions): KubernetesApi {
    const config = new KubeConfig();
    try {
      if (kubeconfig === undefined) config.loadFromCluster();
      else config.loadFromFile(kubeconfig);
    } catch (cause) {
      throw new TercetError('config_invalid', { kubeconfig: kubeconfig ?? 'of the pod' }, { cause });
    }
    return new KubernetesApi(config, namespace);
  }

  /**
   * A call that may be made again: what it asks for is the same the second time.
   * @throws cluster_unavailable, cluster_refused, cluster_conflict, shutting_down or what the signal says
   */
  async call<T>(details: ErrorDetails, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let tries = 1; ; tries++) {
      if (signal.aborted) throw toTercetError(signal.reason, 'shutting_down');
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error) || tries === triesMax) throw toClusterError(error, details);
        await sleep(pauseMs(tries), undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

/** Before the try after this many. */
export function pauseMs(tries: number): number {
  return Math.min(backOffMs.most, backOffMs.first * 2 ** (tries - 1));
}
