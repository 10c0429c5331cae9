import { type PackedTokens, packTokens, sortTokens } from './token-order.js';

/**
 * The vocabulary as a tree over the bytes of its tokens, laid out depth first: the tokens of a subtree are consecutive
 * in `tokenIds`, and a subtree is skipped by going to its end.
 *
 * A plain character is one that a JSON string may hold unescaped. Most of a vocabulary is nothing else, so a subtree
 * whose tokens add only plain characters is taken whole wherever a text allows as many of them.
 */
export interface TokenTrie {
  readonly vocabSize: number;
  /** Tokens that have bytes, in order of their bytes. */
  readonly tokenIds: Int32Array;
  /** Tokens without bytes: control tokens, and ids without a token. */
  readonly silentTokenIds: Int32Array;
  readonly nodeCount: number;
  /** Last byte of the node's path. Node 0 is the root. */
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  /** The first node behind the subtree. */
  readonly end: Int32Array;
  /** Index of the node's first token in `tokenIds`; [nodeCount] is the end of the last node's. */
  readonly firstToken: Int32Array;
  /** The most plain characters that tokens below the node add to its path; `notPlain` when they add others. */
  readonly plainBelow: Uint16Array;
}

export const notPlain = 0xffff;

/** Cost: some passes over the bytes of all tokens; once per model. */
export function tokenTrieOf(vocabSize: number, bytesOf: (tokenId: number) => Uint8Array): TokenTrie {
  const tokens = packTokens(vocabSize, bytesOf);
  const { starts } = tokens;
  const ids = Int32Array.from({ length: vocabSize }, (_, tokenId) => tokenId);
  const isSilent = (tokenId: number) => starts[tokenId] === starts[tokenId + 1];
  const tokenIds = ids.filter((tokenId) => !isSilent(tokenId));
  sortTokens(tokens, tokenIds);
  const tree = { vocabSize, tokenIds, silentTokenIds: ids.filter(isSilent), ...layOut(tokens, tokenIds) };
  return { ...tree, plainBelow: plainBelowOf(tree) };
}

type Layout = Pick<TokenTrie, 'nodeCount' | 'byte' | 'depth' | 'end' | 'firstToken'>;

/** Nodes of sorted tokens: each token adds the bytes that it does not share with the one before. */
function layOut({ bytes, starts }: PackedTokens, tokenIds: Int32Array): Layout {
  const nodesMax = bytes.length + 1;
  const byte = new Uint8Array(nodesMax);
  const depth = new Uint16Array(nodesMax);
  const end = new Int32Array(nodesMax);
  const firstToken = new Int32Array(nodesMax + 1);
  /** Nodes of the token before, the root first. */
  const path = [0];
  let nodeCount = 1;
  let before = 0;
  for (let index = 0; index < tokenIds.length; index++) {
    const start = starts[tokenIds[index] as number] as number;
    const length = (starts[(tokenIds[index] as number) + 1] as number) - start;
    let shared = 0;
    while (shared < path.length - 1 && shared < length && bytes[before + shared] === bytes[start + shared]) shared++;
    while (path.length > shared + 1) end[path.pop() as number] = nodeCount;
    for (let i = shared; i < length; i++) {
      byte[nodeCount] = bytes[start + i] as number;
      depth[nodeCount] = i + 1;
      firstToken[nodeCount] = index;
      path.push(nodeCount++);
    }
    before = start;
  }
  for (const node of path) end[node] = nodeCount;
  firstToken[nodeCount] = tokenIds.length;
  return {
    nodeCount,
    byte: byte.slice(0, nodeCount),
    depth: depth.slice(0, nodeCount),
    end: end.slice(0, nodeCount),
    firstToken: firstToken.slice(0, nodeCount + 1),
  };
}

type Tree = Omit<TokenTrie, 'plainBelow'>;

function plainBelowOf(tree: Tree): Uint16Array {
  const out = new Uint16Array(tree.nodeCount);
  for (let node = tree.nodeCount - 1; node >= 0; node--) {
    let most = 0;
    for (let child = node + 1; child < (tree.end[node] as number); child = tree.end[child] as number) {
      most = Math.max(most, plainFrom(tree, child, out));
      if (most === notPlain) break;
    }
    out[node] = most;
  }
  return out;
}

/** Plain characters of a subtree whose root begins a character. */
function plainFrom(tree: Tree, node: number, known: Uint16Array): number {
  const byte = tree.byte[node] as number;
  if (byte < 0x80) {
    const isPlain = byte >= 0x20 && byte !== 0x22 && byte !== 0x5c;
    return isPlain ? oneMore(known[node] as number) : notPlain;
  }
  const [least, most] = secondBytes(byte);
  if (most === 0) return notPlain;
  const missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  return plainAfter(tree, node, { missing, least, most, codePoint: byte & (0x3f >> missing), known });
}

/** Second bytes that may follow a first one, RFC 3629, section 4; none when it begins no character. */
function secondBytes(first: number): readonly [number, number] {
  if (first < 0xc2 || first > 0xf4) return [0, 0];
  if (first === 0xe0) return [0xa0, 0xbf];
  if (first === 0xed) return [0x80, 0x9f];
  if (first === 0xf0) return [0x90, 0xbf];
  if (first === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}

interface Inside {
  /** Bytes that the character still misses. */
  readonly missing: number;
  /** Range of the next one. */
  readonly least: number;
  readonly most: number;
  /** Bits so far. */
  readonly codePoint: number;
  readonly known: Uint16Array;
}

/** The same within a character; no token may end there. The line separators U+2028 and U+2029 are not plain. */
function plainAfter(tree: Tree, node: number, inside: Inside): number {
  const { missing, least, most, codePoint, known } = inside;
  if (missing === 0) return codePoint >> 1 === 0x2028 >> 1 ? notPlain : oneMore(known[node] as number);
  if ((tree.firstToken[node] as number) < (tree.firstToken[node + 1] as number)) return notPlain;
  let count = 0;
  for (let child = node + 1; child < (tree.end[node] as number); child = tree.end[child] as number) {
    const byte = tree.byte[child] as number;
    if (byte < least || byte > most) return notPlain;
    const bits = (codePoint << 6) | (byte & 0x3f);
    const plain = plainAfter(tree, child, { missing: missing - 1, least: 0x80, most: 0xbf, codePoint: bits, known });
    if (plain === notPlain) return notPlain;
    count = Math.max(count, plain);
  }
  return count;
}

function oneMore(count: number): number {
  return count >= notPlain - 1 ? notPlain : count + 1;
}
