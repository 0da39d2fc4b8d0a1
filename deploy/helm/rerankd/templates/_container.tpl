{{/*
The container; the context is a dict of root (this chart's context), listen (an address) and sidecar (a bool).
*/}}
{{- define "rerankd.container" -}}
{{- $values := .root.Values -}}
name: rerankd
image: {{ include "rerankd.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- if .sidecar }}
restartPolicy: Always
{{- end }}
args:
  - serve
  - --config=/etc/rerankd/config/rerankd.yaml
  - --on-bad-config=passthrough
  - --log-format={{ $values.logFormat }}
env:
  - name: RERANKD_LISTEN
    value: {{ printf "%s:6343" .listen | quote }}
  - name: RERANKD_ADMIN__LISTEN
    value: {{ (($values.config).admin).listen | default "0.0.0.0:9464" | quote }}
  - name: RERANKD_UPSTREAM__URL
    value: {{ required "upstream: the URL of the database has to be set, such as http://qdrant:6333" $values.upstream | quote }}
  {{- with $values.grpcUpstream }}
  - name: RERANKD_UPSTREAM__GRPC_URL
    value: {{ . | quote }}
  {{- end }}
  {{- if $values.embeddings }}
  - name: RERANKD_EMBEDDINGS__LISTEN
    value: {{ printf "%s:6363" .listen | quote }}
  {{- end }}
  {{- with $values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if and .sidecar (not (has .listen (list "127.0.0.1" "[::1]" "localhost"))) }}
lifecycle:
  preStop:
    exec:
      command: [rerankd, drain]
{{- end }}
ports:
  - name: rerankd
    containerPort: 6343
  {{- if include "rerankd.grpc" .root }}
  - name: rerankd-grpc
    containerPort: 6344
  {{- end }}
  {{- if $values.embeddings }}
  - name: rerankd-embed
    containerPort: 6363
  {{- end }}
  - name: rerankd-admin
    containerPort: 9464
startupProbe:
  httpGet:
    path: /livez
    port: rerankd-admin
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet:
    path: /livez
    port: rerankd-admin
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: rerankd-admin
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
resources:
  {{- toYaml $values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - name: rerankd-config
    mountPath: /etc/rerankd/config
    readOnly: true
  - name: rerankd-secrets
    mountPath: /etc/rerankd/secrets
    readOnly: true
  {{- with $values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The volumes that the container mounts; the context is this chart's. */}}
{{- define "rerankd.volumes" -}}
- name: rerankd-config
  configMap:
    name: {{ include "rerankd.fullname" . }}
    optional: true
- name: rerankd-secrets
  secret:
    secretName: {{ .Values.secretName }}
    optional: true
    defaultMode: 0444
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
