# A second container in the task reads /metrics and sends it to Prometheus. The
# task goes on without it.

locals {
  collectors = [for metrics in var.metrics == null ? [] : [var.metrics] : {
    name              = "metrics"
    image             = metrics.image
    essential         = false
    memoryReservation = 64
    linuxParameters   = { capabilities = { drop = ["ALL"] } }
    environment = [{
      name = "AOT_CONFIG_CONTENT"
      value = yamlencode({
        extensions = { sigv4auth = { region = var.region, service = "aps" } }
        receivers = { prometheus = { config = { scrape_configs = [{
          job_name        = var.container
          scrape_interval = "30s"
          static_configs  = [{ targets = ["127.0.0.1:${metrics.port}"] }]
        }] } } }
        processors = { resourcedetection = { detectors = ["ecs"] }, batch = {} }
        exporters = { prometheusremotewrite = {
          endpoint            = metrics.write_url
          auth                = { authenticator = "sigv4auth" }
          add_metric_suffixes = false # names stay as rules and dashboards know them
          # The task's ARN becomes a label: every task is 127.0.0.1 to itself.
          resource_to_telemetry_conversion = { enabled = true }
        } }
        service = {
          extensions = ["sigv4auth"]
          pipelines = { metrics = {
            receivers  = ["prometheus"]
            processors = ["resourcedetection", "batch"]
            exporters  = ["prometheusremotewrite"]
          } }
        }
      })
    }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "metrics"
        mode                  = "non-blocking"
      }
    }
  }]

  collector_rights = [for metrics in var.metrics == null ? [] : [var.metrics] : {
    Sid      = "Metrics"
    Effect   = "Allow"
    Action   = ["aps:RemoteWrite"]
    Resource = metrics.workspace_arn
  }]
}
