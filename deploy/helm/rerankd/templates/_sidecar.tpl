{{/*
For a chart that lists this one among its dependencies. In its pod template:

  initContainers:
    {{- include "rerankd.sidecar" .Subcharts.rerankd | nindent 8 }}
  volumes:
    {{- include "rerankd.sidecarVolumes" .Subcharts.rerankd | nindent 8 }}

and in its labels, for the PodMonitor:

  {{- include "rerankd.sidecarLabels" .Subcharts.rerankd | nindent 8 }}
*/}}
{{- define "rerankd.sidecar" -}}
{{- $listen := .Values.listen | default "127.0.0.1" -}}
{{- $container := include "rerankd.container" (dict "root" . "listen" $listen "sidecar" true) -}}
- {{ $container | nindent 2 | trim }}
{{- end }}

{{- define "rerankd.sidecarVolumes" -}}
{{ include "rerankd.volumes" . }}
{{- end }}

{{- define "rerankd.sidecarLabels" -}}
rerankd/metrics: enabled
{{- end }}
