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

/** Cost: about a second for 262,144 tokens; once per model. */
export function tokenTrieOf(vocabSize: number, bytesOf: (tokenId: number) => Uint8Array): TokenTrie {
  const { keys, silent } = sortedTokens(vocabSize, bytesOf);
  let nodesMax = 1;
  for (const { bytes } of keys) nodesMax += bytes.length;
  const byte = new Uint8Array(nodesMax);
  const depth = new Uint16Array(nodesMax);
  const end = new Int32Array(nodesMax);
  const firstToken = new Int32Array(nodesMax + 1);
  const tokenIds = Int32Array.from(keys, ({ tokenId }) => tokenId);
  /** Node of each byte of the token before. */
  const path = [0];
  let nodeCount = 1;
  let before = '';
  keys.forEach(({ bytes }, index) => {
    let shared = 0;
    while (shared < before.length && bytes.charCodeAt(shared) === before.charCodeAt(shared)) shared++;
    while (path.length > shared + 1) end[path.pop() as number] = nodeCount;
    for (let i = shared; i < bytes.length; i++) {
      byte[nodeCount] = bytes.charCodeAt(i);
      depth[nodeCount] = i + 1;
      firstToken[nodeCount] = index;
      path.push(nodeCount++);
    }
    before = bytes;
  });
  for (const node of path) end[node] = nodeCount;
  firstToken[nodeCount] = keys.length;
  const tree = {
    vocabSize,
    tokenIds,
    silentTokenIds: silent,
    nodeCount,
    byte: byte.slice(0, nodeCount),
    depth: depth.slice(0, nodeCount),
    end: end.slice(0, nodeCount),
    firstToken: firstToken.slice(0, nodeCount + 1),
  };
  return { ...tree, plainBelow: plainBelowOf(tree) };
}

interface TokenKey {
  readonly tokenId: number;
  /** One character per byte, which sorts and compares fast. */
  readonly bytes: string;
}

function sortedTokens(
  vocabSize: number,
  bytesOf: (tokenId: number) => Uint8Array,
): { readonly keys: TokenKey[]; readonly silent: Int32Array } {
  const keys: TokenKey[] = [];
  const silent: number[] = [];
  for (let tokenId = 0; tokenId < vocabSize; tokenId++) {
    const bytes = String.fromCharCode(...bytesOf(tokenId));
    if (bytes === '') silent.push(tokenId);
    else keys.push({ tokenId, bytes });
  }
  keys.sort((a, b) => (a.bytes < b.bytes ? -1 : a.bytes > b.bytes ? 1 : a.tokenId - b.tokenId));
  return { keys, silent: Int32Array.from(silent) };
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
  // First bytes with limits of their own on the second byte are left to the grammar: few tokens have them.
  if (byte < 0xc2 || byte > 0xf3 || byte === 0xe0 || byte === 0xe2 || byte === 0xed || byte === 0xf0) return notPlain;
  return plainAfter(tree, node, { missing: byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3, known });
}

/** The same below the first bytes of a character that misses so many more; no token may end within it. */
function plainAfter(
  tree: Tree,
  node: number,
  { missing, known }: { readonly missing: number; readonly known: Uint16Array },
): number {
  if (missing === 0) return oneMore(known[node] as number);
  if ((tree.firstToken[node] as number) < (tree.firstToken[node + 1] as number)) return notPlain;
  let most = 0;
  for (let child = node + 1; child < (tree.end[node] as number); child = tree.end[child] as number) {
    const byte = tree.byte[child] as number;
    if (byte < 0x80 || byte > 0xbf) return notPlain;
    const plain = plainAfter(tree, child, { missing: missing - 1, known });
    if (plain === notPlain) return notPlain;
    most = Math.max(most, plain);
  }
  return most;
}

function oneMore(count: number): number {
  return count >= notPlain - 1 ? notPlain : count + 1;
}
