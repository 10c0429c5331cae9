import { control } from './dashboards/control.js';
import { memory } from './dashboards/memory.js';
import { requests } from './dashboards/requests.js';
import { stages } from './dashboards/stages.js';
import { vectorIndex } from './dashboards/vector-index.js';
import type { Dashboard } from './panel.js';

export type { Dashboard, Panel, Query, Row } from './panel.js';
export { decisions, roleChanges } from './panel.js';
export { dashboardJson } from './render.js';

/** Every dashboard; each becomes `helm/tercet/dashboards/<uid>.json`. */
export const dashboards: readonly Dashboard[] = [requests, stages, memory, control, vectorIndex];
