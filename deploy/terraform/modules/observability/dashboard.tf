# One page along the path of a record: API, queue, worker, databases.

locals {
  graphs = [
    {
      title = "Requests and answers with 5xx a minute"
      metrics = [
        ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.balancer_suffix, { stat = "Sum" }],
        ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.balancer_suffix, { stat = "Sum" }],
      ]
    },
    {
      title = "Answer time, seconds"
      metrics = [
        ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.balancer_suffix, { stat = "p50" }],
        ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.balancer_suffix, { stat = "p99" }],
      ]
    },
    {
      title = "Records: sent, taken off and waiting, a minute"
      metrics = [
        ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.queue_name, { stat = "Sum" }],
        ["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", var.queue_name, { stat = "Sum" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_name, { stat = "Maximum" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letter_name, { stat = "Maximum" }],
      ]
    },
    {
      title   = "Age of the oldest record in the queue, seconds"
      metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue_name, { stat = "Maximum" }]]
    },
    {
      title = "CPU of the tasks, percent"
      metrics = [for program, name in var.service_names :
        ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", name, { stat = "Average", label = program }]
      ]
    },
    {
      title = "Tasks"
      metrics = [for program, name in var.service_names : # one sample a task and minute
        ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", name, { stat = "SampleCount", label = program }]
      ]
    },
    {
      title = "CPU of the databases, percent"
      metrics = [for database, cluster in var.database_clusters :
        ["AWS/RDS", "CPUUtilization", "DBClusterIdentifier", cluster, { stat = "Average", label = database }]
      ]
    },
    {
      title = "Connections of the databases"
      metrics = [for database, cluster in var.database_clusters :
        ["AWS/RDS", "DatabaseConnections", "DBClusterIdentifier", cluster, { stat = "Maximum", label = database }]
      ]
    },
    {
      title = "Commit time, milliseconds"
      metrics = [for database, cluster in var.database_clusters :
        ["AWS/RDS", "CommitLatency", "DBClusterIdentifier", cluster, { stat = "Average", label = database }]
      ]
    },
    {
      title = "Storage of the databases, bytes"
      metrics = [for database, cluster in var.database_clusters :
        ["AWS/RDS", "VolumeBytesUsed", "DBClusterIdentifier", cluster, { stat = "Average", label = database, period = 3600 }]
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "path" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [for i, graph in local.graphs : {
      type   = "metric"
      x      = (i % 2) * 12
      y      = floor(i / 2) * 6
      width  = 12
      height = 6
      properties = {
        title   = graph.title
        metrics = graph.metrics
        region  = var.region
        period  = 60
        view    = "timeSeries"
        yAxis   = { left = { min = 0 } }
      }
    }]
  })
}
