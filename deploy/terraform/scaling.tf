# How many tasks there are. The API follows CPU and requests. The worker follows
# the age of the oldest record in the queue: CPU says how busy it is, age says
# whether records wait. The age also grows while a database or Temporal is down; the
# maximum bounds the cost.

resource "aws_appautoscaling_policy" "api_cpu" {
  name               = "${local.name}-api-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = module.api_service.scaling.namespace
  scalable_dimension = module.api_service.scaling.dimension
  resource_id        = module.api_service.scaling.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60 # percent
    scale_out_cooldown = 30
    scale_in_cooldown  = 300
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "api_requests" {
  name               = "${local.name}-api-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = module.api_service.scaling.namespace
  scalable_dimension = module.api_service.scaling.dimension
  resource_id        = module.api_service.scaling.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60 * var.api.requests # the metric counts by the minute
    scale_out_cooldown = 30
    scale_in_cooldown  = 300
    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${module.edge.balancer_suffix}/${module.edge.target_group_suffix}"
    }
  }
}

resource "aws_appautoscaling_policy" "worker_out" {
  name               = "${local.name}-worker-out"
  policy_type        = "StepScaling"
  service_namespace  = module.worker_service.scaling.namespace
  scalable_dimension = module.worker_service.scaling.dimension
  resource_id        = module.worker_service.scaling.resource_id

  # Bounds are seconds above the alarm's threshold.
  step_scaling_policy_configuration {
    adjustment_type          = "PercentChangeInCapacity"
    min_adjustment_magnitude = 1
    metric_aggregation_type  = "Maximum"
    cooldown                 = 60
    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = 50
      scaling_adjustment          = 50
    }
    step_adjustment {
      metric_interval_lower_bound = 50
      scaling_adjustment          = 100
    }
  }
}

resource "aws_appautoscaling_policy" "worker_in" {
  name               = "${local.name}-worker-in"
  policy_type        = "StepScaling"
  service_namespace  = module.worker_service.scaling.namespace
  scalable_dimension = module.worker_service.scaling.dimension
  resource_id        = module.worker_service.scaling.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    metric_aggregation_type = "Maximum"
    cooldown                = 300
    step_adjustment {
      metric_interval_upper_bound = 0
      scaling_adjustment          = -1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "records_wait" {
  alarm_name          = "${local.name}-worker-out"
  alarm_description   = "More workers: records wait for more than 10 s"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = module.queues.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.worker_out.arn]
}

resource "aws_cloudwatch_metric_alarm" "records_flow" {
  alarm_name          = "${local.name}-worker-in"
  alarm_description   = "Fewer workers: no record has waited for more than 2 s in 15 minutes"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = module.queues.name }
  statistic           = "Maximum"
  comparison_operator = "LessThanOrEqualToThreshold"
  threshold           = 2
  period              = 60
  evaluation_periods  = 15
  treat_missing_data  = "breaching" # a queue without messages reports nothing after a while
  alarm_actions       = [aws_appautoscaling_policy.worker_in.arn]
}
