{{- define "stocky.fullname" -}}
{{- if contains "stocky" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-stocky" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "stocky.selector" -}}
app.kubernetes.io/name: stocky
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "stocky.labels" -}}
{{ include "stocky.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "stocky.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end -}}

{{- define "stocky.claim" -}}
{{ .Values.data.existingClaim | default (printf "%s-data" (include "stocky.fullname" .)) }}
{{- end -}}

