import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as grafana from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import * as units from '@grafana/grafana-foundation-sdk/units';
import { type Dashboard, decisions, type Panel, type Query, roleChanges } from './panel.js';

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana puts the chosen data source there
const source = { type: 'prometheus', uid: '${datasource}' };
const unitOf: Readonly<Record<Panel['unit'], string>> = {
  seconds: units.Seconds,
  share: units.PercentUnit,
  bytes: units.BytesIEC,
  bytesPerSecond: units.BytesPerSecondIEC,
  requestsPerSecond: units.RequestsPerSecond,
  perSecond: units.CountsPerSecond,
  count: units.Short,
};

/** The same thing has the same colour on every panel. */
const roleColours = { encode: 'purple', prefill: 'blue', decode: 'green' };
const partColours = {
  encode: 'purple',
  prefill: 'blue',
  queue: 'yellow',
  mediaFetch: 'light-orange',
  mediaTransfer: 'light-purple',
  prefillQueue: 'orange',
  transfer: 'light-purple',
  compute: 'blue',
};
const seriesColours = {
  SLO: 'red',
  limit: 'red',
  p50: 'green',
  p95: 'orange',
  p99: 'dark-red',
  good: 'green',
  offered: 'blue',
};
const numberHeight = 4;
const panelHeight = 8;

/** What Grafana reads. */
export function dashboardJson({ uid, title, description, rows }: Dashboard): grafana.Dashboard {
  const builder = new grafana.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['tercet'])
    .readonly()
    .tooltip(grafana.DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .link(linkToOthers())
    .annotation(annotationOf('Role changes', roleChanges, 'purple'))
    .annotation(annotationOf('Decisions', decisions, 'blue'));
  for (const variable of variables()) builder.withVariable(variable);
  for (const row of rows) {
    builder.withRow(new grafana.RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(panelOf(panel));
  }
  return builder.build();
}

function variables(): Builder<grafana.VariableModel>[] {
  const many = (name: string, label: string, query: string) =>
    new grafana.QueryVariableBuilder(name)
      .label(label)
      .datasource(source)
      .query({ query, refId: name })
      .definition(query)
      .multi(true)
      .includeAll(true)
      .allValue('.*')
      .refresh(grafana.VariableRefresh.OnTimeRangeChanged)
      .sort(grafana.VariableSort.AlphabeticalAsc);
  return [
    new grafana.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    many('namespace', 'Namespace', 'label_values(tercet_requests_running, namespace)'),
    many('model', 'Model', 'label_values(tercet_pods{namespace=~"$namespace"}, model)'),
  ];
}

function linkToOthers(): Builder<grafana.DashboardLink> {
  return new grafana.DashboardLinkBuilder('Tercet')
    .type(grafana.DashboardLinkType.Dashboards)
    .tags(['tercet'])
    .asDropdown(true)
    .includeVars(true)
    .keepTime(true);
}

function annotationOf(name: string, { expr, legend }: Query, colour: string): Builder<grafana.AnnotationQuery> {
  return new grafana.AnnotationQueryBuilder()
    .name(name)
    .datasource(source)
    .enable(true)
    .iconColor(colour)
    .expr(expr)
    .titleFormat(legend)
    .tagKeys('pod')
    .step('60s');
}

function panelOf(panel: Panel): Builder<grafana.Panel> {
  switch (panel.kind) {
    case 'number':
      return numberPanel(panel);
    case 'heatmap':
      return heatmapPanel(panel);
    case 'states':
      return statesPanel(panel);
    case 'lines':
    case 'stack':
      return linesPanel(panel);
    default:
      return panel.kind satisfies never;
  }
}

function linesPanel(panel: Panel): Builder<grafana.Panel> {
  const isStack = panel.kind === 'stack';
  const builder = new timeseries.PanelBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .span(panel.width ?? 12)
    .height(panelHeight)
    .unit(unitOf[panel.unit])
    .min(0)
    .lineWidth(isStack ? 1 : 2)
    .fillOpacity(isStack ? 40 : 8)
    .showPoints(common.VisibilityMode.Never)
    .stacking(new common.StackingConfigBuilder().mode(isStack ? common.StackingMode.Normal : common.StackingMode.None))
    .legend(tableLegend())
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    );
  for (const [name, colour] of coloursOf(panel)) builder.overrideByName(name, [fixed(colour)]);
  for (const query of queriesOf(panel)) builder.withTarget(query);
  if (panel.badAbove === undefined) return builder;
  return builder
    .thresholds(thresholdsOf(panel))
    .thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
}

function numberPanel(panel: Panel): Builder<grafana.Panel> {
  const builder = new stat.PanelBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .span(panel.width ?? 4)
    .height(numberHeight)
    .unit(unitOf[panel.unit])
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.Area)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(thresholdsOf(panel))
    .noValue('–');
  for (const query of queriesOf(panel)) builder.withTarget(query);
  return builder;
}

function heatmapPanel(panel: Panel): Builder<grafana.Panel> {
  const builder = new heatmap.PanelBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .span(panel.width ?? 12)
    .height(panelHeight)
    .yAxis(new heatmap.YAxisConfigBuilder().unit(unitOf[panel.unit]))
    .color(new heatmap.HeatmapColorOptionsBuilder().mode(heatmap.HeatmapColorMode.Scheme).scheme('Blues').steps(64))
    .cellGap(1);
  for (const query of queriesOf(panel)) {
    builder.withTarget(query.format(prometheus.PromQueryFormat.Heatmap));
  }
  return builder;
}

function statesPanel(panel: Panel): Builder<grafana.Panel> {
  const builder = new statetimeline.PanelBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .span(panel.width ?? 12)
    .height(panelHeight)
    .fillOpacity(80)
    .mergeValues(true)
    .showValue(common.VisibilityMode.Never);
  for (const [role, colour] of Object.entries(roleColours)) {
    builder.overrideByRegexp(`.* ${role}`, [fixed(colour)]);
  }
  for (const query of queriesOf(panel)) builder.withTarget(query);
  return builder;
}

function queriesOf({ queries }: Panel): prometheus.DataqueryBuilder[] {
  return queries.map(({ expr, legend }, index) =>
    new prometheus.DataqueryBuilder()
      .datasource(source)
      .expr(expr)
      .legendFormat(legend)
      .range()
      .refId(String.fromCharCode(65 + index)),
  );
}

function thresholdsOf({ badAbove, badBelow }: Panel): Builder<grafana.ThresholdsConfig> {
  const step = (value: number | null, color: string) => ({ value, color });
  const steps =
    badBelow === undefined
      ? [step(null, 'green'), ...(badAbove === undefined ? [] : [step(badAbove, 'red')])]
      : [step(null, 'red'), step(badBelow, 'green')];
  return new grafana.ThresholdsConfigBuilder().mode(grafana.ThresholdsMode.Absolute).steps(steps);
}

function tableLegend(): Builder<common.VizLegendOptions> {
  return new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.Table)
    .placement(common.LegendPlacement.Bottom)
    .showLegend(true)
    .calcs(['mean', 'max', 'lastNotNull']);
}

/** Colours of the series that a panel can have, by name. */
function coloursOf({ queries }: Panel): [string, string][] {
  return queries.flatMap(({ legend }) => {
    if (legend === '{{role}}') return Object.entries(roleColours);
    if (legend === '{{part}}') return Object.entries(partColours);
    return Object.entries(seriesColours).filter(([name]) => name === legend);
  });
}

function fixed(colour: string): grafana.DynamicConfigValue {
  return { id: 'color', value: { mode: grafana.FieldColorModeId.Fixed, fixedColor: colour } };
}
