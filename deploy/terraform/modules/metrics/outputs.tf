output "workspace_arn" {
  description = "Workspace that collectors may write to."
  value       = aws_prometheus_workspace.this.arn
}

output "write_url" {
  description = "Where collectors write."
  value       = "${aws_prometheus_workspace.this.prometheus_endpoint}api/v1/remote_write"
}

output "query_url" {
  description = "Data source for Grafana, with the dashboards of deploy/grafana."
  value       = aws_prometheus_workspace.this.prometheus_endpoint
}
