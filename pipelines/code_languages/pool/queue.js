// A queue that forgets its oldest entries once it is full.
export class RingQueue {
  constructor(capacity) {
    this.items = new Array(capacity);
    this.start = 0;
    this.length = 0;
  }

  push(item) {
    const end = (this.start + this.length) % this.items.length;
    this.items[end] = item;
    if (this.length < this.items.length) this.length += 1;
    else this.start = (this.start + 1) % this.items.length;
  }

  *[Symbol.iterator]() {
    for (let k = 0; k < this.length; k += 1) yield this.items[(this.start + k) % this.items.length];
  }
}
