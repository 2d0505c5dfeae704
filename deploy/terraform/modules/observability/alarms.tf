# Alarms on AWS's own metrics, which work without the programs and Prometheus.
# The words before a colon are sections of deploy/prometheus/RUNBOOK.md.
#
# over and under: the threshold. missing: what it means when there is no data:
# "breaching" only where no data means that nothing is running, as with healthy
# targets and tasks. A queue without messages, a site without readers and a log
# without errors report nothing either, and are fine.

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
    api-no-target = {
      text      = "ProgramGone: the load balancer has no healthy task of the API, nobody gets an answer"
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", dimensions = local.target_group
      statistic = "Maximum", under = 1, minutes = 2, missing = "breaching"
    }
    balancer-errors = {
      text      = "ErrorRate: the load balancer itself answers with 5xx: no task takes the calls, or they end in the middle"
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", dimensions = local.balancer
      statistic = "Sum", over = 60, minutes = 5, missing = "notBreaching"
    }
  }

  # Each task reports its use of CPU once a minute: no samples, no task.
  service_alarms = merge([
    for program, dimensions in local.service : {
      "${program}-gone" = {
        text      = "ProgramGone: ${program} has no running task"
        namespace = "AWS/ECS", metric = "CPUUtilization", dimensions = dimensions
        statistic = "SampleCount", under = 1, minutes = 3, missing = "breaching"
      }
      "${program}-cpu" = {
        text      = "HostCPUBusy: the tasks of ${program} are busy"
        namespace = "AWS/ECS", metric = "CPUUtilization", dimensions = dimensions
        statistic = "Average", over = 90, minutes = 15, missing = "notBreaching"
      }
      "${program}-memory" = {
        text      = "HostMemoryLow: the tasks of ${program} use more than 85 % of their memory; at 100 % they are ended"
        namespace = "AWS/ECS", metric = "MemoryUtilization", dimensions = dimensions
        statistic = "Maximum", over = 85, minutes = 10, missing = "notBreaching"
      }
    }
  ]...)

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
      "${database}-memory" = {
        text      = "${database} has little free memory; it restarts when there is none"
        namespace = "AWS/RDS", metric = "FreeableMemory", dimensions = dimensions
        statistic = "Minimum", under = var.database_memory[database], minutes = 15, missing = "notBreaching"
      }
      "${database}-storage" = {
        text      = "${database} is larger than planned: is something growing without end? deploy/GROWING.md"
        namespace = "AWS/RDS", metric = "VolumeBytesUsed", dimensions = dimensions
        statistic = "Maximum", over = var.storage_alarm_bytes, minutes = 60, missing = "notBreaching"
      }
      "${database}-volume" = {
        text      = "HostDiskFull: less than a tenth of the largest volume that Aurora has is left to ${database}"
        namespace = "AWS/RDS", metric = "AuroraVolumeBytesLeftTotal", dimensions = dimensions
        statistic = "Minimum", under = 12 * pow(1024, 4), minutes = 60, missing = "notBreaching"
      }
    }
  ]...)

  # A serverless instance at its upper bound is slow and cannot grow any more.
  capacity_alarms = {
    for database, dimensions in local.database_name : "${database}-capacity" => {
      text      = "${database} uses more than 90 % of the capacity that it may grow to: raise capacity.max"
      namespace = "AWS/RDS", metric = "ACUUtilization", dimensions = dimensions
      statistic = "Maximum", over = 90, minutes = 15, missing = "notBreaching"
    } if var.serverless[database]
  }

  log_alarms = {
    for program in keys(var.log_groups) : "${program}-log-errors" => {
      text      = "${program} logs errors"
      namespace = var.name, metric = "${program}-errors", dimensions = null
      statistic = "Sum", over = 10, minutes = 5, missing = "notBreaching"
    }
  }

  # SES stops the sending of accounts above 5 and 0.1 %.
  mail_alarms = { for name, alarm in {
    mail-dead-letters = {
      text      = "MailEventsUnread: reports of bounces or complaints could not be read"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = try(var.mail_queues.dead_letters, null) }
      statistic = "Maximum", over = 0, minutes = 1, missing = "notBreaching"
    }
    mail-events-age = {
      text      = "MailEventsUnread: reports of bounces or complaints wait for more than a quarter of an hour: does the worker read them?"
      namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = try(var.mail_queues.events, null) }
      statistic = "Maximum", over = 900, minutes = 5, missing = "notBreaching"
    }
    mail-bounces = {
      text      = "MailsFailed: more than 4 % of the mails of this account of SES come back"
      namespace = "AWS/SES", metric = "Reputation.BounceRate", dimensions = null
      statistic = "Average", over = 0.04, minutes = 60, missing = "notBreaching"
    }
    mail-complaints = {
      text      = "MailsFailed: more than 0.08 % of the mails of this account of SES are reported as unwanted"
      namespace = "AWS/SES", metric = "Reputation.ComplaintRate", dimensions = null
      statistic = "Average", over = 0.0008, minutes = 60, missing = "notBreaching"
    }
  } : name => alarm if var.mail_queues != null }

  alarms = merge(local.path_alarms, local.mail_alarms, local.service_alarms, local.database_alarms, local.capacity_alarms, local.log_alarms)
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
  comparison_operator = can(each.value.under) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.under, each.value.over)
  # A volume's size comes every few minutes.
  period             = each.value.minutes < 60 ? 60 : 3600
  evaluation_periods = each.value.minutes < 60 ? each.value.minutes : each.value.minutes / 60
  treat_missing_data = each.value.missing
  actions_enabled    = var.active
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

# CloudFront reports from us-east-1 alone, and an alarm can only tell a topic of
# its own region.
resource "aws_cloudwatch_metric_alarm" "cdn" {
  provider            = aws.us_east_1
  alarm_name          = "${var.name}-cdn-errors"
  alarm_description   = "ErrorRate: more than 5 % of what CloudFront answers are 5xx: readers see errors"
  namespace           = "AWS/CloudFront"
  metric_name         = "5xxErrorRate"
  dimensions          = { DistributionId = var.distribution_id, Region = "Global" }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5 # percent
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching" # nobody reads
  actions_enabled     = var.active
  alarm_actions       = [local.cdn_topic]
  ok_actions          = [local.cdn_topic]
}
