{{/* DNS name in the certificate of a component: dict "component" …, "root" $. */}}
{{- define "tercet.tlsName" -}}
{{ printf "%s-%s.%s.svc" (include "tercet.fullname" .root) .component .root.Release.Namespace }}
{{- end }}

{{/* Mutual TLS of any component: its own certificate, and the name that stage processes must have. */}}
{{- define "tercet.tls" -}}
{{- $files := dict "ca" "/tls/ca.crt" "cert" "/tls/tls.crt" "key" "/tls/tls.key" -}}
{{- toJson (set $files "serverName" (include "tercet.tlsName" (dict "component" "stage" "root" .))) -}}
{{- end }}

{{/* Name of the secret with the certificate of a component: dict "component" …, "root" $. */}}
{{- define "tercet.tlsSecret" -}}
{{- if .root.Values.tls.certManager.issuerName -}}
{{ printf "%s-%s-tls" (include "tercet.fullname" .root) .component }}
{{- else -}}
{{ required (printf "tls: certManager.issuerName or secrets.%s says where certificates come from" .component) (get .root.Values.tls.secrets .component) }}
{{- end -}}
{{- end }}

{{- define "tercet.tlsMount" -}}
{{- if .Values.tls.enabled -}}
- { name: tls, mountPath: /tls, readOnly: true }
{{- end -}}
{{- end }}

{{- define "tercet.tlsVolume" -}}
{{- if .root.Values.tls.enabled -}}
- { name: tls, secret: { secretName: {{ include "tercet.tlsSecret" . }} } }
{{- end -}}
{{- end }}
