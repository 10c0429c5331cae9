// Turns on the page, and the messages that the next request carries.
import { renderMarkdown } from './markdown.js';
import { timelineElement } from './timeline.js';

/** What a person can do about an error, by its code. */
const advice = {
  overloaded: 'Every slot is taken. Try again in a moment.',
  no_pod: 'A stage has no process now; the supervisor is starting one. Try again in a moment.',
  media_too_large: 'Use a smaller picture.',
  media_invalid: 'The file is damaged, or not a picture.',
  prompt_too_long: 'Begin a new chat, or ask a shorter question.',
  feature_unsupported: 'Choose a model that sees images.',
};

export class Conversation {
  messages = [];
  #list;
  #scroller;

  constructor({ list, scroller }) {
    this.#list = list;
    this.#scroller = scroller;
  }

  get isEmpty() {
    return this.messages.length === 0;
  }

  clear() {
    this.messages = [];
    this.#list.replaceChildren();
  }

  /** Shows a question and adds it to the messages. */
  ask(text, images) {
    const turn = this.#turn('user');
    if (images.length > 0) {
      const pictures = document.createElement('div');
      pictures.className = 'pictures';
      pictures.append(...images.map(({ url, name }) => make('img', { src: url, alt: name })));
      turn.append(pictures);
    }
    if (text !== '') turn.append(make('div', { className: 'text', textContent: text }));
    const parts = images.map(({ url }) => ({ type: 'image_url', image_url: { url } }));
    this.messages.push({ role: 'user', content: text === '' ? parts : [...parts, { type: 'text', text }] });
  }

  /** A turn that grows as the answer comes. */
  answer() {
    const turn = this.#turn('assistant');
    const body = make('div', { className: 'text waiting' });
    turn.append(body);
    let text = '';
    return {
      get text() {
        return text;
      },
      add: (more) => {
        text += more;
        renderMarkdown(text, body);
        this.#follow();
      },
      finish: (timeline) => {
        body.classList.remove('waiting');
        if (text !== '') this.messages.push({ role: 'assistant', content: text });
        if (timeline !== undefined) turn.append(timelineElement(timeline));
        this.#follow();
      },
      fail: (error, retry) => {
        body.classList.remove('waiting');
        turn.append(failure(error), retryButton(retry, turn));
        this.#follow();
      },
    };
  }

  #turn(who) {
    const turn = make('li', { className: `turn ${who}` });
    turn.append(make('span', { className: 'hidden', textContent: who === 'user' ? 'You: ' : 'Answer: ' }));
    this.#list.append(turn);
    this.#follow();
    return turn;
  }

  /** Stays at the end, unless the reader has scrolled up. */
  #follow() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < 240) this.#scroller.scrollTop = scrollHeight;
  }
}

function failure(error) {
  const box = make('div', { className: 'failed', role: 'alert' });
  box.append(advice[error.code] ?? error.message, ' ', make('code', { textContent: error.code ?? '' }));
  return box;
}

function retryButton(retry, turn) {
  const line = make('div', { className: 'actions' });
  const button = make('button', { type: 'button', className: 'quiet', textContent: 'Try again' });
  button.addEventListener('click', () => {
    turn.remove();
    retry();
  });
  line.append(button);
  return line;
}

function make(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
