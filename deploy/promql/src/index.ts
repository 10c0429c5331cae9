export { is, isNot, type Matchers, metricNamesIn, oneOf, PromQl, type QueryScope } from './promql.js';
