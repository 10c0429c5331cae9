export { cacheKeyOf, contentKeyOf, mediaDigestOf, type TileContent } from './content-key.js';
export {
  type ImageLimits,
  type ImagePlan,
  type ImageSize,
  type PlannedTile,
  planImage,
  type VisionShape,
} from './image-plan.js';
export { type ImageMarks, idefics3Marks, type PromptPiece, promptOf } from './image-prompt.js';
