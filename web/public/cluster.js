// How the pools stand: pods by stage, how many requests meet the objectives, what the controller decided and why.

const stages = ['encode', 'prefill', 'decode'];
const decisionsShown = 5;
const movesShown = 5;

/** What a decision's state means. */
const states = {
  moving: 'pods move',
  watching: 'being watched',
  kept: 'kept',
  'taken back': 'taken back',
  replaced: 'replaced by the next',
};

/** Why nothing moves although another split looks better. */
const waits = {
  once: 'it has to look better twice',
  dwell: 'the last move is too recent',
  'others move': 'other pods are on their way',
  'small gain': 'the gain is too small',
};

/** Why a pool has no pods. */
const sleeps = {
  asleep: 'Asleep: no request came for long enough. The next one wakes the pool.',
  waking: 'Waking: requests wait until every stage has a pod.',
};

/** Why a pod has another role; pods that were there from the start are no news. */
const reasons = {
  better: 'to a better split',
  'take back': 'taken back: it hurt',
  repair: 'its new stage had too few pods',
  asked: 'as a person asked',
  assigned: 'its role was given back',
  'changed by others': 'changed by somebody else',
};

/** @param pool one of `/tercet/cluster` */
export function poolElement(pool) {
  const root = element('section', 'pool');
  root.setAttribute('aria-label', `Pool ${pool.model}`);
  root.append(headOf(pool), lanesOf(pool));
  if (!pool.isCurrent)
    root.append(element('p', 'problem', 'The controller does not answer; this is what it said last.'));
  if (pool.sleep?.state in sleeps) root.append(element('p', 'thought', sleeps[pool.sleep.state]));
  for (const problem of pool.problems) root.append(element('p', 'problem', sentence(problem)));
  const thought = thoughtOf(pool);
  if (thought) root.append(element('p', 'thought', thought));
  const decisions = pool.decisions.slice(-decisionsShown).reverse();
  if (decisions.length > 0) {
    const list = element('ol', 'decisions');
    list.append(...decisions.map(decisionElement));
    root.append(element('h4', '', 'Last decisions'), list);
  }
  const moves = pool.roleChanges.filter(({ reason }) => reason in reasons).slice(-movesShown);
  if (moves.length > 0) {
    const list = element('ol', 'moves');
    list.append(...moves.reverse().map(moveElement));
    root.append(element('h4', '', 'Last moves'), list);
  }
  return root;
}

function headOf({ model, spec, recent }) {
  const head = element('header', '');
  const policy = element('span', 'policy', spec.policy);
  policy.title = {
    auto: 'moves pods between the stages',
    recommend: 'says what it would move, and moves nothing',
    manual: 'moves nothing, and gives pods that return their role',
  }[spec.policy];
  head.append(element('h3', '', model), policy);
  const goal = `first token within ${text(spec.ttftMs)}, then ${text(spec.tpotMs)} a token`;
  if (recent.requests === 0) {
    head.append(element('p', 'goal', `Objectives: ${goal}.`));
    return head;
  }
  const met = recent.met / recent.requests;
  const goodput = ((recent.met * 1000) / recent.spanMs).toFixed(2);
  const figures = element('p', 'goal');
  const share = element('strong', met >= spec.attainment ? 'good' : 'bad', percent(met));
  const span = Math.round(recent.spanMs / 1000);
  figures.append(
    share,
    ` of ${recent.requests} requests in ${span} s met the objectives (${goal}; aim ${percent(spec.attainment)}). `,
    `Goodput ${goodput} a second.`,
  );
  head.append(figures);
  return head;
}

/** Pods under the stage that they serve; one that moves stands where it goes. */
function lanesOf({ pods, moves, distrustedPodIds }) {
  const lanes = element('div', 'lanes');
  for (const stage of stages) {
    const there = pods.filter((pod) => goalOf(pod, moves) === stage);
    const lane = element('section', 'lane');
    lane.style.setProperty('--part', `var(--${stage})`);
    lane.setAttribute('aria-label', `${stage}, ${there.length} pods`);
    const list = element('ul', '');
    for (const pod of there)
      list.append(podElement(pod, { stage, isDistrusted: distrustedPodIds.includes(pod.podId) }));
    lane.append(element('h4', '', `${stage} ${there.length}`), list);
    lanes.append(lane);
  }
  return lanes;
}

function podElement({ podId, role, epoch, phase }, { stage, isDistrusted }) {
  const item = element('li', isDistrusted ? 'distrusted' : '', podId);
  item.title = `epoch ${epoch}, ${phase}`;
  const about = isDistrusted
    ? 'refuses its role'
    : phase === 'ready' && role === stage
      ? ''
      : role === 'none' || role === stage
        ? phase
        : `${phase}, from ${role}`;
  if (about) item.append(element('small', '', about));
  return item;
}

function goalOf({ podId, role, recordedRole }, moves) {
  const move = moves.find((begun) => begun.podId === podId);
  if (move) return move.to;
  return recordedRole === 'none' ? role : recordedRole;
}

function decisionElement(decision) {
  const { id, begunUnixMs, before, target, expectedBefore, expectedAfter, state } = decision;
  const item = element('li', '');
  const line = element('p', '');
  const time = timeElement(begunUnixMs);
  line.append(element('strong', '', `${splitName(before)} → ${splitName(target)}`), ' ', time);
  const badge = element('span', `state ${state.replace(' ', '-')}`, states[state] ?? state);
  line.append(' ', badge);
  const why = element(
    'p',
    'why',
    `Predicted to meet the objectives: ${percent(expectedBefore)} → ${percent(expectedAfter)}.`,
  );
  if (decision.realisedAfter !== undefined) {
    why.append(` Met: ${percent(decision.realisedAfter)}; without the move ${percent(decision.counterfactual)}.`);
  }
  item.append(line, why);
  item.setAttribute('aria-label', `Decision ${id}`);
  return item;
}

function moveElement({ unixMs, podId, from, to, reason, drainMs, switchMs }) {
  const item = element('li', '');
  const roles = from === 'none' ? to : `${from} → ${to}`;
  const took =
    reason === 'assigned' ? '' : ` ${Math.round(drainMs)} ms to drain, ${Math.round(switchMs)} ms to change.`;
  item.append(element('strong', '', `${podId} ${roles}`), ' ', timeElement(unixMs));
  item.append(element('span', 'why', ` ${sentence(reasons[reason])}${took}`));
  return item;
}

function timeElement(unixMs) {
  const time = element('time', '', new Date(unixMs).toLocaleTimeString());
  time.dateTime = new Date(unixMs).toISOString();
  return time;
}

/** What the controller would do, or why it does nothing about a better split. */
function thoughtOf({ spec, split, proposal }) {
  if (!proposal) return '';
  const { kind, reason, target, expectedNow, expectedThen } = proposal;
  if (splitName(target) === splitName(split)) return `${splitName(split)} is the best split for the requests of now.`;
  const better = `${splitName(target)} (${percent(expectedNow)} → ${percent(expectedThen)} predicted)`;
  if (kind === 'move') return spec.policy === 'recommend' ? `Recommended: ${better}.` : `Moves to ${better}.`;
  return `Looks at ${better}, and waits: ${waits[reason] ?? reason}.`;
}

/** `1E 2P 1D` */
function splitName({ encode, prefill, decode }) {
  return `${encode}E ${prefill}P ${decode}D`;
}

function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}

function text(ms) {
  return ms >= 1000 ? `${ms / 1000}\u00a0s` : `${ms}\u00a0ms`;
}

function sentence(words) {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

function element(tag, className, content = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = content;
  return made;
}
