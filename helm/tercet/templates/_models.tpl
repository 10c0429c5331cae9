{{/* Pulls the models before a container starts, where that is how they come. dict "models" [names], "root" $. */}}
{{- define "tercet.modelInit" -}}
{{- if eq .root.Values.models.source "pull" -}}
initContainers:
  - name: models
    image: {{ include "tercet.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: {{ concat (list "cli" "models" "pull") .models | toJson }}
    env:
      - { name: TERCET__MODELS__FOLDER, value: /models }
    securityContext: {{- include "tercet.containerSecurity" .root | nindent 6 }}
    volumeMounts:
      - { name: models, mountPath: /models }
      - { name: tmp, mountPath: /tmp }
{{- end -}}
{{- end }}

{{- define "tercet.modelMount" -}}
{{- if ne .Values.models.source "image" -}}
- { name: models, mountPath: /models, readOnly: true }
{{- end -}}
{{- end }}

{{- define "tercet.modelVolume" -}}
{{- $models := .Values.models -}}
{{- if eq $models.source "pull" -}}
- { name: models, emptyDir: {} }
{{- else if eq $models.source "claim" -}}
- { name: models, persistentVolumeClaim: { claimName: {{ required "models.claim names the claim" $models.claim }}, readOnly: true } }
{{- else if eq $models.source "hostPath" -}}
- { name: models, hostPath: { path: {{ required "models.hostPath names the folder" $models.hostPath }}, type: Directory } }
{{- end -}}
{{- end }}

{{/* Resources of a pool's pods, their GPUs among the limits. */}}
{{- define "tercet.poolResources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .gpus) 0 -}}
{{- $limits := mergeOverwrite (deepCopy ($resources.limits | default dict)) (dict .gpuResource (int .gpus)) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}
