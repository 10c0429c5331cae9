// Turns on the page, and the messages that the next request carries.
import { renderMarkdown } from './markdown.js';
import { timelineElement } from './timeline.js';

/** What a person can do about an error, by its code. */
const advice = {
  overloaded: 'Every slot is taken. Try again in a moment.',
  no_pod: 'A stage has no process now; the supervisor is starting one. Try again in a moment.',
  media_too_large: 'Use a smaller picture.',
  media_type_unsupported: 'Use a PNG, JPEG, WebP or GIF picture.',
  media_invalid: 'The file is damaged, or not a picture.',
  prompt_too_long: 'Begin a new chat, or ask a shorter question.',
  feature_unsupported: 'Choose a model that sees images.',
};

export class Conversation {
  /** Questions that were answered, with their answers. */
  #answered = [];
  /** The question that waits for its answer. */
  #question;
  #list;
  #scroller;
  #follows = true;

  constructor({ list, scroller }) {
    this.#list = list;
    this.#scroller = scroller;
    scroller.addEventListener('scroll', () => {
      this.#follows = isAtEnd(scroller);
    });
  }

  /** What the next request says. A question that failed is in none: its picture would fail every later one too. */
  get messages() {
    return [...this.#answered, this.#question];
  }

  clear() {
    this.#answered = [];
    this.#question = undefined;
    this.#list.replaceChildren();
  }

  /** Shows a question; its answer is awaited next. */
  ask(text, images) {
    const turn = this.#turn('user');
    if (images.length > 0) {
      const pictures = make('div', { className: 'pictures' });
      pictures.append(...images.map(picture));
      turn.append(pictures);
    }
    if (text !== '') turn.append(make('div', { className: 'text', textContent: text }));
    const parts = images.map(({ url }) => ({ type: 'image_url', image_url: { url } }));
    this.#question = { role: 'user', content: text === '' ? parts : [...parts, { type: 'text', text }] };
    this.#scrollToEnd();
  }

  /** A turn that grows as the answer comes. */
  answer() {
    const question = this.#question;
    const turn = this.#turn('assistant');
    const body = make('div', { className: 'text waiting' });
    turn.append(body);
    let text = '';
    const end = (...more) => {
      body.classList.remove('waiting');
      turn.append(...more);
      this.#follow();
      // Cleared, or asked anew: the answer belongs to no conversation any more.
      if (this.#question !== question) return;
      if (text !== '') this.#answered.push(question, { role: 'assistant', content: text });
      this.#question = undefined;
    };
    this.#follow();
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
        const empty = text === '' ? [note('The model answered nothing.')] : [];
        end(...empty, ...(timeline === undefined ? [] : [timelineElement(timeline)]));
      },
      stop: () => end(note('Stopped.')),
      fail: (error, retry) => {
        const again = () => {
          turn.remove();
          this.#question = question;
          retry();
        };
        end(failure(error), retryButton(again));
      },
    };
  }

  #turn(who) {
    const turn = make('li', { className: `turn ${who}` });
    turn.append(make('span', { className: 'hidden', textContent: who === 'user' ? 'You: ' : 'Answer: ' }));
    this.#list.append(turn);
    return turn;
  }

  /** Stays at the end, unless the reader has scrolled up. */
  #follow() {
    if (this.#follows) this.#scrollToEnd();
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#follows = true;
  }
}

function isAtEnd({ scrollHeight, scrollTop, clientHeight }) {
  return scrollHeight - scrollTop - clientHeight < 40;
}

/** A picture of a question; where it is none, its name. */
function picture({ url, name }) {
  const image = make('img', { src: url, alt: name });
  image.addEventListener('error', () => image.replaceWith(make('span', { className: 'broken', textContent: name })));
  return image;
}

function note(text) {
  return make('p', { className: 'note', textContent: text });
}

function failure(error) {
  const box = make('div', { className: 'failed', role: 'alert' });
  box.append(advice[error.code] ?? error.message, ' ', make('code', { textContent: error.code ?? '' }));
  return box;
}

function retryButton(retry) {
  const line = make('div', { className: 'actions' });
  const button = make('button', { type: 'button', className: 'quiet', textContent: 'Try again' });
  button.addEventListener('click', retry);
  line.append(button);
  return line;
}

function make(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
