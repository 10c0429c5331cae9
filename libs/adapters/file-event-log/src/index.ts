export { FileEventLog, type FileEventLogOptions } from './file-event-log.js';
