import { assert } from '@tercet/base';
import { fieldValues } from '../payload.js';
import { SlotSet } from '../slot-set.js';
import type { CollectionSpec } from '../spec.js';
import { TextIndex } from '../text/text-index.js';
import { KeywordIndex } from './keyword-index.js';
import { NumberIndex } from './number-index.js';

/** How a field is looked up, beside whether it is there. */
type FieldIndex =
  | { readonly kind: 'keyword'; readonly index: KeywordIndex }
  | { readonly kind: 'number'; readonly index: NumberIndex }
  | { readonly kind: 'text'; readonly index: TextIndex };

type IndexOf<Kind extends FieldIndex['kind']> = Extract<FieldIndex, { kind: Kind }>['index'];

/** Every field of a collection that is searched, by slot. */
export class PayloadIndex {
  readonly #spec: CollectionSpec;
  readonly #fields = new Map<string, { readonly present: SlotSet; readonly lookup: FieldIndex }>();

  constructor(spec: CollectionSpec) {
    this.#spec = spec;
    for (const { name, kind, language } of spec.fields) {
      if (kind === 'stored') continue;
      this.#fields.set(name, { present: new SlotSet(), lookup: indexFor(kind, language) });
    }
  }

  /** @param payload JSON that was checked; the slot must not have one */
  add(slot: number, payload: string): void {
    for (const [name, value] of fieldValues(this.#spec, payload)) {
      const { present, lookup } = this.#field(name);
      present.add(slot);
      if (value.kind === 'keyword') as(lookup, 'keyword').add(slot, value.values);
      else if (value.kind === 'number') as(lookup, 'number').add(slot, value.value);
      else as(lookup, 'text').add(slot, value.text);
    }
  }

  /** @param payload the one that was added */
  delete(slot: number, payload: string): void {
    for (const [name, value] of fieldValues(this.#spec, payload)) {
      const { present, lookup } = this.#field(name);
      present.delete(slot);
      if (value.kind === 'keyword') as(lookup, 'keyword').delete(slot, value.values);
      else if (value.kind === 'number') as(lookup, 'number').delete(slot, value.value);
      else as(lookup, 'text').delete(slot, value.text);
    }
  }

  /** Slots that have a value in this field. */
  present(name: string): SlotSet {
    return this.#field(name).present;
  }

  keyword(name: string): KeywordIndex {
    return as(this.#field(name).lookup, 'keyword');
  }

  number(name: string): NumberIndex {
    return as(this.#field(name).lookup, 'number');
  }

  text(name: string): TextIndex {
    return as(this.#field(name).lookup, 'text');
  }

  /** Memory of the fields: those found by their words, and the others. */
  bytes(): { readonly text: number; readonly filters: number } {
    let [text, filters] = [0, 0];
    for (const { present, lookup } of this.#fields.values()) {
      filters += present.bytes;
      if (lookup.kind === 'text') text += lookup.index.bytes;
      else filters += lookup.index.bytes;
    }
    return { text, filters };
  }

  /** Checked filters and payloads name no other. */
  #field(name: string) {
    const field = this.#fields.get(name);
    assert(field !== undefined, 'a field that is not searched', { name });
    return field;
  }
}

function indexFor(kind: Exclude<CollectionSpec['fields'][number]['kind'], 'stored'>, language?: string): FieldIndex {
  switch (kind) {
    case 'keyword':
    case 'bool':
      return { kind: 'keyword', index: new KeywordIndex() };
    case 'integer':
    case 'float':
    case 'datetime':
      return { kind: 'number', index: new NumberIndex() };
    case 'text':
      return { kind: 'text', index: new TextIndex(language) };
    default:
      return kind satisfies never;
  }
}

function as<Kind extends FieldIndex['kind']>(lookup: FieldIndex, kind: Kind): IndexOf<Kind> {
  assert(lookup.kind === kind, 'a field is looked up as what it is not', { is: lookup.kind, as: kind });
  return lookup.index as IndexOf<Kind>;
}
