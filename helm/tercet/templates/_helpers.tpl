{{/* Name of everything that belongs to this release; with what Kubernetes adds, no name of a pod is above 63. */}}
{{- define "tercet.fullname" -}}
{{- if contains "tercet" .Release.Name }}{{ .Release.Name | trunc 36 | trimSuffix "-" }}{{ else }}{{ printf "%s-tercet" .Release.Name | trunc 36 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tercet.selector" -}}
app.kubernetes.io/name: tercet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tercet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "tercet.selector" . }}
{{- end }}

{{- define "tercet.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* What every container may do: nothing that serving does not need. */}}
{{- define "tercet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "tercet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Pods of one kind on different nodes where there is room. Arguments: dict "component" …, "root" $. */}}
{{- define "tercet.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tercet.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Folder of the model files in every container that reads them. */}}
{{- define "tercet.modelFolder" -}}
{{ if eq .Values.models.source "image" }}/app/models{{ else }}/models{{ end }}
{{- end }}

{{/* A pool with the defaults where it says nothing: dict "pool" …, "root" $. */}}
{{- define "tercet.pool" -}}
{{- $name := required "every pool needs a name" .pool.name -}}
{{- $_ := required (printf "pool %s: model says what it serves" $name) .pool.model -}}
{{- toJson (mergeOverwrite (deepCopy .root.Values.poolDefaults) (deepCopy .pool)) -}}
{{- end }}

{{/* Paths of a pool's model: dict "pool" …, "root" $. */}}
{{- define "tercet.model" -}}
{{- $folder := include "tercet.modelFolder" .root -}}
{{- $pool := .pool -}}
{{- $found := dict "name" $pool.model -}}
{{- if $pool.path -}}
{{- $_ := set $found "path" (ternary $pool.path (printf "%s/%s" $folder $pool.path) (hasPrefix "/" $pool.path)) -}}
{{- if $pool.mmprojPath -}}
{{- $_ := set $found "mmprojPath" (ternary $pool.mmprojPath (printf "%s/%s" $folder $pool.mmprojPath) (hasPrefix "/" $pool.mmprojPath)) -}}
{{- end -}}
{{- else if eq $pool.model "tercet-tiny" -}}
{{- $_ := set $found "path" (printf "%s/tiny/tercet-tiny.gguf" $folder) -}}
{{- $_ := set $found "mmprojPath" (printf "%s/tiny/mmproj-tercet-tiny.gguf" $folder) -}}
{{- else -}}
{{- fail (printf "pool %s: model %s needs `path`, where its file lies on the model volume" $pool.name $pool.model) -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* Settings of the stage processes of a pool: dict "pool" (with its defaults) …, "root" $. */}}
{{- define "tercet.stageConfig" -}}
{{- $computed := dict "model" (include "tercet.model" . | fromJson) "events" (include "tercet.events" .root | fromJson) -}}
{{- if .root.Values.tls.enabled -}}
{{- $controllers := list (include "tercet.tlsName" (dict "component" "controller" "root" .root)) -}}
{{- $callers := append $controllers (include "tercet.tlsName" (dict "component" "gateway" "root" .root)) -}}
{{- $tls := include "tercet.tls" .root | fromJson | merge (dict "callers" $callers "controllers" $controllers) -}}
{{- $_ := set $computed "tls" $tls -}}
{{- end -}}
{{- toJson (mergeOverwrite $computed (deepCopy .root.Values.stage.config) (deepCopy .pool.config)) -}}
{{- end }}

{{- define "tercet.poolName" -}}
{{ printf "%s-%s" (include "tercet.fullname" .root) .pool.name | trunc 50 | trimSuffix "-" }}
{{- end }}
