{{/* The `events` of every service. Name and password of the login are in the environment, from the secret. */}}
{{- define "tercet.events" -}}
{{- $kafka := .Values.events.kafka -}}
{{- if and .Values.events.bundled.enabled (ne .Values.events.kind "kafka") -}}
{{- fail "events.bundled.enabled: events.kind must be kafka" -}}
{{- else if eq .Values.events.kind "none" -}}
{{- toJson (dict "kind" "none") -}}
{{- else if .Values.events.bundled.enabled -}}
{{- $broker := printf "%s-kafka:9092" (include "tercet.fullname" .) -}}
{{- toJson (dict "kind" "kafka" "brokers" (list $broker) "replicationFactor" 1) -}}
{{- else -}}
{{- if not $kafka.brokers }}{{ fail "events.kafka.brokers names brokers, or events.bundled.enabled starts one" }}{{ end -}}
{{- $events := dict "kind" "kafka" "brokers" $kafka.brokers "replicationFactor" (int $kafka.replicationFactor) -}}
{{- if $kafka.credentialsSecret }}{{ $_ := set $events "sasl" (dict "mechanism" $kafka.mechanism) }}{{ end -}}
{{- if $kafka.tls.enabled -}}
{{- $_ := set $events "tls" (ternary (dict "caPath" "/kafka/ca.crt") dict (ne $kafka.tls.caSecret "")) -}}
{{- end -}}
{{- toJson $events -}}
{{- end -}}
{{- end }}

{{- define "tercet.isOwnKafka" -}}
{{- if and (eq .Values.events.kind "kafka") (not .Values.events.bundled.enabled) }}yes{{ end -}}
{{- end }}

{{/* dict "service" "GATEWAY", "root" $. */}}
{{- define "tercet.eventsEnv" -}}
{{- $secret := .root.Values.events.kafka.credentialsSecret -}}
{{- if and (include "tercet.isOwnKafka" .root) $secret -}}
- name: TERCET__{{ .service }}__EVENTS__SASL__USERNAME
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: username } }
- name: TERCET__{{ .service }}__EVENTS__SASL__PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: password } }
{{- end -}}
{{- end }}

{{- define "tercet.eventsMount" -}}
{{- if and (include "tercet.isOwnKafka" .) .Values.events.kafka.tls.enabled .Values.events.kafka.tls.caSecret -}}
- { name: kafka, mountPath: /kafka, readOnly: true }
{{- end -}}
{{- end }}

{{- define "tercet.eventsVolume" -}}
{{- if and (include "tercet.isOwnKafka" .) .Values.events.kafka.tls.enabled .Values.events.kafka.tls.caSecret -}}
- { name: kafka, secret: { secretName: {{ .Values.events.kafka.tls.caSecret }}, items: [{ key: ca.crt, path: ca.crt }] } }
{{- end -}}
{{- end }}

{{/* Ports of the brokers. */}}
{{- define "tercet.eventsPorts" -}}
{{- $ports := list -}}
{{- range (include "tercet.events" . | fromJson).brokers }}{{ $ports = append $ports (splitList ":" . | last) }}{{ end -}}
{{- range uniq $ports }}
- { port: {{ . }} }
{{- end -}}
{{- end }}
