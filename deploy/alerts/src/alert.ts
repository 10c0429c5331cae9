/** When a person should look, and why. */
export interface Alert {
  /** In the form of `TercetNoPod`; the page in docs/runbooks has the same name. */
  readonly name: string;
  /** `critical`: users feel it now, wake somebody. `warning`: look within the day. */
  readonly severity: 'critical' | 'warning';
  readonly expr: string;
  /** How long it must hold, for example `5m`. */
  readonly for: string;
  /** One line for the page that wakes somebody, with `{{ $labels.x }}` and `{{ $value }}` filled in. */
  readonly summary: string;
}
