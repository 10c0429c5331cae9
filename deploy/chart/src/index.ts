export { serviceSchemas } from './service-schemas.js';
export { ChartValues } from './values.js';
export { type ServiceSchemas, valuesSchema } from './values-schema.js';
