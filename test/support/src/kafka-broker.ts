import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheFolder, environment } from './config.js';
import { freePort } from './free-port.js';
import { findProgram, skip } from './needs.js';

const version = '4.4.0';
const installTimeoutMs = 300_000;
const startTimeoutMs = 90_000;
const clusterId = 'dGVyY2V0LWluLWEtdGVzdA';

/** Who may log in at the SASL listener. */
export const kafkaUser = { username: 'tercet', password: 'only-in-tests' };

/** What a broker is started from. */
export interface KafkaJars {
  readonly java: string;
  readonly folder: string;
}

/**
 * A real Kafka for a suite that cannot do without one: from the cache, or got by Maven once per machine. Where it cannot
 * be had, a test that says so is skipped, or fails when TERCET_REQUIRE names `kafka`.
 */
export function needsKafka(): KafkaJars | undefined {
  const found = findKafka();
  return typeof found === 'string' ? skip('kafka', found) : found;
}

/** The same for whoever is no suite. @returns the reason where there is none */
export function findKafka(): KafkaJars | string {
  const java = findProgram(['java']);
  if (java === undefined) return 'needs Java 17 to run Kafka';
  const folder = join(cacheFolder, `kafka-${version}`);
  if (existsSync(folder)) return { java, folder };
  const maven = findProgram(['mvn']);
  if (maven === undefined) return 'needs Maven to get Kafka';
  try {
    install(maven, folder);
    return { java, folder };
  } catch (error) {
    return `needs Kafka, which Maven did not get: ${(error as Error).message}`;
  }
}

/** One broker that is its own controller, on free ports of this machine. */
export class KafkaBroker implements AsyncDisposable {
  /** `host:port` of the listener that lets everybody in, and of the one that wants {@link kafkaUser}. */
  readonly address: string;
  readonly saslAddress: string;
  readonly #jars: KafkaJars;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  static async start(jars: KafkaJars): Promise<KafkaBroker> {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-kafka-'));
    const ports = { plain: await freePort(), sasl: await freePort(), controller: await freePort() };
    const properties = join(folder, 'server.properties');
    writeFileSync(properties, propertiesOf(join(folder, 'data'), ports));
    const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties];
    execFileSync(jars.java, [...classPath(jars), ...format], { stdio: 'ignore', timeout: startTimeoutMs });
    const broker = new KafkaBroker(jars, folder, ports);
    await broker.resume();
    return broker;
  }

  private constructor(jars: KafkaJars, folder: string, ports: Ports) {
    this.#jars = jars;
    this.#folder = folder;
    this.address = `127.0.0.1:${ports.plain}`;
    this.saslAddress = `127.0.0.1:${ports.sasl}`;
  }

  /** Starts it again on the same ports, with what it had kept. */
  async resume(): Promise<void> {
    const args = [
      '-Xms256m',
      '-Xmx512m',
      ...classPath(this.#jars),
      'kafka.Kafka',
      join(this.#folder, 'server.properties'),
    ];
    const child = spawn(this.#jars.java, args, { stdio: 'ignore' });
    this.#child = child;
    const endMs = performance.now() + startTimeoutMs;
    while (!(await answers(this.address))) {
      if (child.exitCode !== null || performance.now() > endMs)
        throw new Error(`Kafka did not start (${child.exitCode})`);
      await sleep(100);
    }
  }

  /** Ends it as a power cut would, or as its administrator would. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Ports {
  readonly plain: number;
  readonly sasl: number;
  readonly controller: number;
}

function classPath({ folder }: KafkaJars): string[] {
  return ['-cp', join(folder, '*')];
}

function propertiesOf(data: string, { plain, sasl, controller }: Ports): string {
  const { username, password } = kafkaUser;
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}"`;
  const listeners = `PLAIN://127.0.0.1:${plain},SASL://127.0.0.1:${sasl}`;
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controller}`,
    'controller.listener.names=CONTROLLER',
    `listeners=${listeners},CONTROLLER://127.0.0.1:${controller}`,
    `advertised.listeners=${listeners}`,
    'listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name=PLAIN',
    'listener.name.sasl.sasl.enabled.mechanisms=PLAIN',
    `listener.name.sasl.plain.sasl.jaas.config=${login};`,
    `log.dirs=${data}`,
    'auto.create.topics.enable=false',
    'offsets.topic.num.partitions=4',
    ...['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].flatMap((topic) => [
      `${topic}.replication.factor=1`,
      `${topic}.min.isr=1`,
    ]),
    'group.initial.rebalance.delay.ms=0',
    '',
  ].join('\n');
}

/** Into a folder beside the cache's, which becomes it when it is whole. */
function install(maven: string, folder: string): void {
  mkdirSync(cacheFolder, { recursive: true });
  const unfinished = mkdtempSync(`${folder}-`);
  const dependency = (group: string, name: string, of: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${of}</version></dependency>`;
  writeFileSync(
    join(unfinished, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
      <groupId>dev.tercet</groupId><artifactId>kafka-broker</artifactId><version>1</version><packaging>pom</packaging>
      <dependencies>
        ${dependency('org.apache.kafka', 'kafka_2.13', version)}
        ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', '2.25.5')}
      </dependencies></project>`,
  );
  const goal = ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=jars'];
  try {
    execFileSync(maven, goal, { cwd: unfinished, stdio: 'ignore', timeout: installTimeoutMs, env: environment });
    if (readdirSync(join(unfinished, 'jars')).length === 0) throw new Error('there are no jars');
    renameSync(join(unfinished, 'jars'), folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function answers(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
