// The question being written: text and images from files, camera, clipboard or a drop.

const imageTypes = /^image\/(png|jpeg|webp|gif)$/;

export class Composer {
  #images = [];
  #list;
  #announce;
  #complain;

  constructor({ list, announce, complain }) {
    this.#list = list;
    this.#announce = announce;
    this.#complain = complain;
  }

  get images() {
    return [...this.#images];
  }

  /** Adds the image files of a list; says what it left out. */
  async addFiles(files) {
    for (const file of files) {
      if (!imageTypes.test(file.type)) {
        this.#complain(`${file.name || 'This'} is not a PNG, JPEG, WebP or GIF image.`);
        continue;
      }
      this.addUrl(await dataUrlOf(file), file.name || 'pasted image');
    }
  }

  addUrl(url, name) {
    this.#images.push({ url, name });
    this.#show();
    this.#announce(`${name} added.`);
  }

  clear() {
    this.#images = [];
    this.#show();
  }

  #show() {
    this.#list.replaceChildren(
      ...this.#images.map((image, index) => {
        const item = document.createElement('li');
        const picture = document.createElement('img');
        picture.src = image.url;
        picture.alt = image.name;
        const remove = document.createElement('button');
        remove.type = 'button';
        remove.textContent = '×';
        remove.setAttribute('aria-label', `Remove ${image.name}`);
        remove.addEventListener('click', () => {
          this.#images.splice(index, 1);
          this.#show();
        });
        item.append(picture, remove);
        return item;
      }),
    );
  }
}

function dataUrlOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result));
    reader.addEventListener('error', () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}
