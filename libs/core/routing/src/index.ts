export { dealTiles, type EncodePod } from './deal.js';
export { type DecodePod, type PickedPrefill, pickDecode, pickPrefill, type RouteReason, routeReasons } from './pick.js';
export { type PrefillPod, type PrefillScore, type PrefillWork, scorePrefill } from './score.js';
