import { stringify } from 'yaml';
import type { Alert } from './alert.js';

/** The groups as Prometheus reads them: a rule file, or the `spec` of a PrometheusRule. */
export function rulesYaml(groups: Readonly<Record<string, readonly Alert[]>>): string {
  const rules = Object.entries(groups).map(([name, alerts]) => ({ name, rules: alerts.map(ruleOf) }));
  const yaml = stringify({ groups: rules }, { lineWidth: 0 });
  return `# Written by deploy/alerts; the list is deploy/alerts/src/alerts.ts.\n${yaml}`;
}

function ruleOf({ name, severity, expr, for: duration, summary }: Alert): object {
  return {
    alert: name,
    expr,
    for: duration,
    labels: { severity },
    annotations: { summary, runbook_url: `docs/runbooks/${name}.md` },
  };
}
