# The programs' own metrics, which show what AWS cannot know (points credited
# twice, standings behind, an audit that is silent), in Amazon Managed
# Prometheus, with the rules and the runbook of deploy/prometheus. Each task's
# collector sends them (../task/collector.tf).

resource "aws_prometheus_workspace" "this" {
  alias = var.name
}

resource "aws_prometheus_rule_group_namespace" "this" {
  count        = var.rules == null ? 0 : 1
  name         = var.name
  workspace_id = aws_prometheus_workspace.this.id
  data         = var.rules
}

# Routes as in deploy/prometheus/alertmanager.yml. The message has the form that
# Amazon Q Developer shows in Slack; e-mail shows it as it is.
resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition = yamlencode({
    alertmanager_config = yamlencode({
      route = {
        receiver        = "people"
        group_by        = ["alertname"]
        group_wait      = "10s"
        group_interval  = "1m"
        repeat_interval = "4h"
        routes          = [{ receiver = "people", matchers = ["severity=\"ticket\""], repeat_interval = "24h" }]
      }
      receivers = [{
        name = "people"
        sns_configs = [{
          topic_arn     = var.topic_arn
          sigv4         = { region = var.region }
          send_resolved = true
          subject       = "{{ .Status }}: {{ .CommonLabels.alertname }}"
          message = jsonencode({
            version = "1.0"
            source  = "custom"
            content = {
              title       = "{{ .Status }}: {{ .CommonLabels.alertname }}"
              description = "{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook_url }} {{ end }}"
            }
          })
        }]
      }]
    })
  })
}
