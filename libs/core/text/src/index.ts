export {
  type ChatMessage,
  type ChatPart,
  type ChatRole,
  ChatTemplate,
  type ChatToolCall,
  chatTemplateOf,
  type PromptSegment,
  type RenderOptions,
} from './chat-template/chat-template.js';
export { type StopMatch, StopMatcher } from './stop-matcher.js';
export { StreamDecoder } from './stream-decoder.js';
export type { TextSegment } from './tokenizer/token-codec.js';
export { Tokenizer, tokenizerOf } from './tokenizer/tokenizer.js';
export { ToolCallParser, type ToolEvent } from './tool-calls.js';
