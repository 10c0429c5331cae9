import { dump } from 'js-yaml';
import { z } from 'zod';
import { PoolSpecSchema, PoolStatusSchema, poolGroup, poolPlural, poolRules, poolVersion } from './serving-pool.js';

type Schema = { [key: string]: unknown };

/** The custom resource definition of `ServingPool`, made from the schemas that read it. */
export function servingPoolDefinition() {
  const spec = structural(PoolSpecSchema);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${poolPlural}.${poolGroup}` },
    spec: {
      group: poolGroup,
      scope: 'Namespaced',
      names: { plural: poolPlural, singular: 'servingpool', kind: 'ServingPool', shortNames: ['spool'] },
      versions: [
        {
          name: poolVersion,
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.pods',
              statusReplicasPath: '.status.pods',
              labelSelectorPath: '.status.selector',
            },
          },
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: {
                spec: {
                  ...spec,
                  'x-kubernetes-validations': poolRules.map(({ rule, message }) => ({ rule, message })),
                },
                status: structural(PoolStatusSchema),
              },
            },
          },
        },
      ],
    },
  };
}

/** As `kubectl apply` and Helm read it. */
export function servingPoolYaml(): string {
  const head = '# Made from libs/adapters/kubernetes/src/serving-pool.ts by write-definition.ts.\n';
  return head + dump(servingPoolDefinition(), { noRefs: true, lineWidth: 120 });
}

const columns = [
  column('Model', 'string', '.spec.model'),
  column('Policy', 'string', '.spec.policy'),
  column('Pods', 'integer', '.status.pods'),
  column('E/P/D', 'string', '.status.split'),
  column('Ready', 'string', `.status.conditions[?(@.type=="Ready")].status`),
  column('SLO', 'string', `.status.conditions[?(@.type=="SloMet")].status`),
  column('Age', 'date', '.metadata.creationTimestamp'),
];

function column(name: string, type: string, jsonPath: string) {
  return { name, type, jsonPath };
}

/** A schema as Kubernetes takes it: structural, closed by pruning and not by itself, with defaults where they stand. */
function structural(schema: z.ZodType): Schema {
  return simplified(z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0', unrepresentable: 'any' }) as Schema);
}

const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function simplified(schema: Schema): Schema {
  const { $schema: _, additionalProperties, propertyNames: __, properties, items, ...rest } = schema;
  const plain: Schema = { ...rest };
  if (isRecord(items)) plain.items = simplified(items);
  if (isRecord(properties)) {
    plain.properties = Object.fromEntries(
      Object.entries(properties).map(([name, inner]) => [name, simplified(inner as Schema)]),
    );
  } else if (isRecord(additionalProperties) && Object.keys(additionalProperties).length > 0) {
    plain.additionalProperties = simplified(additionalProperties);
  } else if (schema.type === 'object') {
    plain['x-kubernetes-preserve-unknown-fields'] = true;
  }
  return plain;
}
