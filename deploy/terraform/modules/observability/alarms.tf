# What AWS sees by itself, and would see with the programs and Prometheus gone.
# What stands before a colon is a section of deploy/prometheus/RUNBOOK.md.

locals {
  queue         = { QueueName = var.queue_name }
  dead_letters  = { QueueName = var.dead_letter_name }
  balancer      = { LoadBalancer = var.balancer_suffix }
  target_group  = { LoadBalancer = var.balancer_suffix, TargetGroup = var.target_group_suffix }
  service       = { for program, name in var.service_names : program => { ClusterName = var.cluster_name, ServiceName = name } }
  database_name = { for database, cluster in var.database_clusters : database => { DBClusterIdentifier = cluster } }

  path_alarms = {
    dead-letters = {
      text      = "DeadLetters: messages were given up, GET /v1/ops/dead-letters says why"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = local.dead_letters
      statistic = "Maximum", over = 0, minutes = 1, missing = "notBreaching"
    }
    queue-age = {
      text      = "QueueOld: records wait for more than a minute to become credits"
      namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = local.queue
      statistic = "Maximum", over = 60, minutes = 2, missing = "notBreaching"
    }
    api-errors = {
      text      = "ErrorRate: the API answers with 5xx more than once a second"
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = local.balancer
      statistic = "Sum", over = 60, minutes = 5, missing = "notBreaching"
    }
    api-unreachable = {
      text      = "InstanceDown: the load balancer finds tasks of the API that are not healthy"
      namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", dimensions = local.target_group
      statistic = "Minimum", over = 0, minutes = 5, missing = "notBreaching"
    }
  }

  # A service without tasks reports no use of CPU, which is an alarm too.
  service_alarms = {
    for program, dimensions in local.service : "${program}-cpu" => {
      text      = "InstanceDown, HostCPUBusy: ${program} has no task, or is busy"
      namespace = "AWS/ECS", metric = "CPUUtilization", dimensions = dimensions
      statistic = "Average", over = 90, minutes = 15, missing = "breaching"
    }
  }

  database_alarms = merge([
    for database, dimensions in local.database_name : {
      "${database}-cpu" = {
        text      = "${database} is busy"
        namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = dimensions
        statistic = "Average", over = 80, minutes = 15, missing = "breaching"
      }
      "${database}-connections" = {
        text      = "PoolExhausted: ${database} has more connections than the programs' pools account for"
        namespace = "AWS/RDS", metric = "DatabaseConnections", dimensions = dimensions
        statistic = "Maximum", over = var.connection_limit, minutes = 5, missing = "notBreaching"
      }
      "${database}-deadlocks" = {
        text      = "${database} breaks deadlocks all the time"
        namespace = "AWS/RDS", metric = "Deadlocks", dimensions = dimensions
        statistic = "Average", over = 1, minutes = 10, missing = "notBreaching"
      }
    }
  ]...)

  log_alarms = {
    for program in keys(var.log_groups) : "${program}-log-errors" => {
      text      = "${program} logs errors"
      namespace = var.name, metric = "${program}-errors", dimensions = null
      statistic = "Sum", over = 10, minutes = 5, missing = "notBreaching"
    }
  }

  alarms = merge(local.path_alarms, local.service_alarms, local.database_alarms, local.log_alarms)
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each       = var.log_groups
  name           = "errors"
  log_group_name = each.value
  pattern        = "{ $.level = \"ERROR\" }"
  metric_transformation {
    namespace = var.name
    name      = "${each.key}-errors"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.over
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.missing
  actions_enabled     = var.active
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
