{{/* The issuer's host is named after the release, so the release's name is the name of everything. */}}
{{- define "oidc.name" -}}
{{- if gt (len .Release.Name) 40 -}}{{- fail "the release name may have 40 characters at most: it names the issuer's host" -}}{{- end -}}
{{- if contains "." .Release.Name -}}{{- fail "the release name may have no dot: it names the issuer's host" -}}{{- end -}}
{{- .Release.Name -}}
{{- end -}}

{{- define "oidc.issuer" -}}
{{- .Values.issuer.url | default (printf "https://%s.%s.svc.cluster.local" (include "oidc.name" .) .Release.Namespace) -}}
{{- end -}}

{{/* Where clients with certificates come: the issuer, with another port. */}}
{{- define "oidc.mtlsUrl" -}}
{{- $issuer := urlParse (include "oidc.issuer" .) -}}
{{- $host := regexReplaceAll ":[0-9]+$" $issuer.host "" -}}
{{- if and .Values.mtls.url (ne (urlParse .Values.mtls.url).path $issuer.path) -}}
{{- fail (printf "mtls.url: must have the path of the issuer (%q)" $issuer.path) -}}
{{- end -}}
{{- .Values.mtls.url | default (printf "https://%s:%d%s" $host (int .Values.mtls.port) $issuer.path) -}}
{{- end -}}

{{- define "oidc.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "oidc.name" .)) -}}
{{- end -}}

{{/* The namespaces whose clients are served, as a JSON list; empty with clusterWide. */}}
{{- define "oidc.watchNamespaces" -}}
{{- if .Values.clusterWide -}}[]{{- else -}}{{- .Values.watchNamespaces | default (list .Release.Namespace) | uniq | toJson -}}{{- end -}}
{{- end -}}

{{/* Host patterns as regular expressions for CEL's getHostname, a JSON list. */}}
{{- define "oidc.hostPatterns" -}}
{{- $patterns := list -}}
{{- range . -}}{{- $patterns = append $patterns (printf "^%s$" (. | trimAll "[]" | replace "." "[.]" | replace "*" ".+")) -}}{{- end -}}
{{- $patterns | toJson -}}
{{- end -}}

{{/* Whether redirects of some namespace may follow its routes. */}}
{{- define "oidc.followsRoutes" -}}
{{- $follows := .Values.allowed.redirectHostsFromRoutes -}}
{{- range .Values.grants -}}{{- if .redirectHostsFromRoutes -}}{{- $follows = true -}}{{- end -}}{{- end -}}
{{- if $follows -}}true{{- end -}}
{{- end -}}

{{/* Whether the trial Redis is installed. */}}
{{- define "oidc.trialRedis" -}}
{{- if not (or .Values.redis.url .Values.redis.existingSecret.name) -}}true{{- end -}}
{{- end -}}

{{- define "oidc.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/name: oidc-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Labels that select one component's pods: (list . "provider") */}}
{{- define "oidc.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: oidc-operator
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "oidc.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion | toString) -}}
{{- end -}}

{{- define "oidc.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "oidc.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What both programs are told by their environment. */}}
{{- define "oidc.env" -}}
- name: OIDC_RELEASE
  value: {{ include "oidc.name" . | quote }}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OIDC_LOG
  value: {{ .Values.log.level | quote }}
- name: OIDC_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
{{- end -}}
