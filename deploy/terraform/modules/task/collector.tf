# A second container in the task reads /metrics and sends it to Prometheus, and
# takes the program's spans and sends them to X-Ray. The task keeps running without it.

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
        receivers = {
          prometheus = { config = { scrape_configs = [{
            job_name        = var.container
            scrape_interval = "30s"
            static_configs  = [{ targets = ["127.0.0.1:${metrics.port}"] }]
          }] } }
          otlp = { protocols = { http = { endpoint = "127.0.0.1:4318" } } }
        }
        processors = {
          resourcedetection = { detectors = ["ecs"] }
          # Every task is 127.0.0.1:8080 to itself. service.instance.id becomes the label instance, which alerts and
          # dashboards show: it names the task, as the console does.
          resource = { attributes = [
            { key = "aws.ecs.task.arn", pattern = "^.*/(?P<task_id>[^/]+)$", action = "extract" },
            { key = "service.instance.id", from_attribute = "task_id", action = "upsert" },
            { key = "task_id", action = "delete" },
          ] }
          batch = {}
        }
        exporters = { awsxray = { region = var.region }, prometheusremotewrite = {
          endpoint            = metrics.write_url
          auth                = { authenticator = "sigv4auth" }
          add_metric_suffixes = false # names stay as rules and dashboards know them
          # The task's ARN and family become labels too.
          resource_to_telemetry_conversion = { enabled = true }
        } }
        service = {
          extensions = ["sigv4auth"]
          pipelines = {
            metrics = {
              receivers  = ["prometheus"]
              processors = ["resourcedetection", "resource", "batch"]
              exporters  = ["prometheusremotewrite"]
            }
            traces = {
              receivers  = ["otlp"]
              processors = ["resourcedetection", "resource", "batch"]
              exporters  = ["awsxray"]
            }
          }
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

  collector_rights = flatten([for metrics in var.metrics == null ? [] : [var.metrics] : [
    {
      Sid      = "Metrics"
      Effect   = "Allow"
      Action   = ["aps:RemoteWrite"]
      Resource = metrics.workspace_arn
    },
    {
      Sid      = "Traces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = "*" # these calls know no resource
    },
  ]])
}
